import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { filesIn, openHub } from "../io/hub/use-hub.js";
import { openWorkspace, problems, tptt } from "./workspace.js";

/** A hub with a tiny model and a data set, in the environment. */
async function openHubRun() {
  const workspace = await openWorkspace();
  const { hub, cache, useAsEnvironment } = await openHub();
  const model = await hub.add("model", "org/tiny", await filesIn(workspace.model));
  const dataset = await hub.add("dataset", "org/problems", {
    "train.jsonl": problems,
    "test.jsonl": problems.split("\n").slice(0, 3).join("\n"),
  });
  useAsEnvironment();
  return { ...workspace, hub, cache, commits: { model, dataset }, output: join(workspace.folder, "titan") };
}

test("a model and a data set of the hub are trained, resumed at their commits, and evaluated by split", async () => {
  const { hub, commits, output } = await openHubRun();
  const options = [
    "--model",
    "org/tiny",
    "--dataset",
    "org/problems",
    "--max-steps",
    "4",
    "--batch-size",
    "2",
  ];
  const run = ["train", ...options, "--output", output, "--logging-steps", "1"];
  const first = await tptt([...run, "--json"], (text, interrupt) => {
    if (text.includes('"progress","step":2')) interrupt();
  });
  expect(first.code).toBe(130);
  const downloads = first.events().filter(({ event }) => event === "transfer");
  expect(downloads.map(({ name }) => name)).toContain("download org/tiny");
  expect(downloads.every(({ bytes, total }) => Number(bytes) <= Number(total))).toBe(true);
  const yaml = await readFile(join(output, "train.yaml"), "utf8");
  expect(yaml).toMatch(`model: org/tiny@${commits.model}`);
  expect(yaml).toMatch(`- org/problems@${commits.dataset}`);

  // The branches move on; the run does not.
  await hub.store.commit("dataset", "org/problems", { "train.jsonl": problems.toUpperCase() });
  await hub.store.commit("model", "org/tiny", { "model.safetensors": undefined });
  const resumed = await tptt(["train", "--output", output, "--resume"]);
  expect(resumed).toMatchObject({ code: 0 });
  const config = JSON.parse(await readFile(join(output, "config.json"), "utf8"));
  expect(config).toMatchObject({ base_model_name: "org/tiny", base_model_revision: commits.model });
  expect(await readFile(join(output, "README.md"), "utf8")).toMatch(/org\/problems(?!@)/);

  const evaluate = ["eval", "--model", output, "--data", `org/problems@${commits.dataset}`, "--json"];
  const train = (await tptt(evaluate)).events().at(-1)!;
  const held = (await tptt([...evaluate, "--split", "test"])).events().at(-1)!;
  expect(Number(held.tokens)).toBeLessThan(Number(train.tokens));
});

test("progress is on stderr in bytes, and a second call has nothing to download", async () => {
  const { hub } = await openHubRun();
  const command = ["inspect", "--model", "org/tiny"];
  const first = await tptt(command);
  expect(first).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^download org\/tiny [\d.]+\/[\d.]+ kB\n/m),
  });
  hub.requests.length = 0;
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  expect(await tptt(command)).toMatchObject({ code: 0, stdout: first.stdout, stderr: "" });
  expect(hub.requests).toEqual([]);
});

test("data shows what a data set of the hub would be", async () => {
  await openHubRun();
  const shown = await tptt(["data", "org/problems", "--model", "org/tiny", "--split", "test", "--json"]);
  expect(shown).toMatchObject({ code: 0 });
  expect(shown.events().at(-1)).toMatchObject({ event: "done", records: 3 });
});

test.each([
  [
    ["--model", "org/none"],
    /^tptt: org\/none: is no file or folder here, and no model on http.*set HF_TOKEN/,
  ],
  [["--model", "org/tiny@v9"], /^tptt: org\/tiny@v9: has no revision v9; see http/],
  [["--model", "org/tiny/small"], /^tptt: org\/tiny: has no folder small\n$/],
])("%j is refused in one line", async (options, message) => {
  await openHubRun();
  expect(await tptt(["generate", "--prompt", "a", ...options])).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(message),
  });
});

test("nothing is left in the output folder when the data cannot be had", async () => {
  const { folder, output } = await openHubRun();
  const failed = await tptt(["train", "--model", "org/tiny", "--dataset", "org/none", "--output", output]);
  expect(failed).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/org\/none: is no file or folder here/),
  });
  expect(await readdir(folder)).not.toContain("titan");
});
