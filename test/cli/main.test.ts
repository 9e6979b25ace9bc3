import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openWorkspace, problems } from "./workspace.js";

const main = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

/** Starts the command as a process of its own. */
function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, ["--conditions=source", "--import", "tsx", main, ...args]);
}

/** Waits for its end. */
async function ended(child: ChildProcess) {
  let stderr = "";
  child.stderr!.on("data", (chunk) => {
    stderr += chunk;
  });
  const [code, signal] = await once(child, "close");
  return { code, signal, stderr };
}

test("a usage error is one line, and exit code 2", async () => {
  const { code, stderr } = await ended(start("eval", "--model", "m"));
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr:
      "tptt: --data: is missing; give JSON, JSONL, CSV, Parquet or text: a file, a folder or a pattern, or one of the hub: org/name[@revision][/folder]\n",
  });
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends training with a checkpoint", async (signal) => {
  const { folder, model, write } = await openWorkspace();
  const dataset = await write("data.jsonl", problems);
  const output = join(folder, "titan");
  const child = start(
    "train",
    "--model",
    model,
    "--dataset",
    dataset,
    "--output",
    output,
    "--epochs",
    "100000",
    "--json",
  );
  child.stdout!.on("data", (chunk) => {
    if (String(chunk).includes("progress")) child.kill(signal);
  });
  const { code, stderr } = await ended(child);
  expect(code).toBe(130);
  expect(stderr).toContain(`to go on: npx tptt train --output ${output} --resume\n`);
  expect((await readdir(output)).some((name) => /^checkpoint-\d+$/.test(name))).toBe(true);
});

test("a killed command leaves no process behind", async () => {
  const { model, write, folder } = await openWorkspace();
  const dataset = await write("data.jsonl", problems);
  const all = ["--model", model, "--dataset", dataset, "--output", join(folder, "titan"), "--json"];
  const child = start("train", ...all, "--epochs", "100000");
  await once(child.stdout!, "data");
  child.kill("SIGKILL");
  // Its streams are those of the process that it started as well: they end with the last of both.
  expect((await ended(child)).signal).toBe("SIGKILL");
});

test("a reader of stdout that has gone ends the command quietly", async () => {
  const { model } = await openWorkspace();
  const child = start("generate", "--model", model, "--prompt", "a", "--json");
  child.stdout!.destroy();
  expect(await ended(child)).toEqual({ code: 0, signal: null, stderr: "" });
});
