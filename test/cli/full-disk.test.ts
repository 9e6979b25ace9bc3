import { execFile, spawnSync } from "node:child_process";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { latestCheckpoint } from "../../src/train/checkpoint-folder.js";
import { temporaryFolder } from "../models/fixture.js";
import { openWorkspace, problems, tptt } from "./workspace.js";

const main = fileURLToPath(new URL("../../src/cli/this-process.ts", import.meta.url));
const namespace = process.getuid?.() === 0 ? ["--mount"] : ["--mount", "--map-root-user"];
/** Whether a small disk can be made here: a tmpfs in a mount namespace of its own, which goes with its process. */
const canMount = spawnSync("unshare", [...namespace, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

test.runIf(canMount)(
  "a full disk ends training with a clear error; the last checkpoint is whole, and goes on",
  async () => {
    const { folder, model, write } = await openWorkspace();
    const dataset = await write("data.jsonl", problems);
    const options = ["--model", model, "--dataset", dataset, "--batch-size", "2", "--max-steps", "12"];
    const saving = [...options, "--save-steps", "1"];
    const [disk, out] = [join(folder, "disk"), await temporaryFolder()];
    await mkdir(disk);
    // Room for a few checkpoints; then more is made, as who deletes something does.
    const script = `
    mount -t tmpfs -o size=400k tmpfs "$DISK"
    "$@" --output "$DISK/run" 2> "$OUT/stderr"; echo $? > "$OUT/code"
    cp -a "$DISK/run" "$OUT/full"
    mount -o remount,size=64m "$DISK"
    "$TPTT" train --output "$DISK/run" --resume 2> "$OUT/stderr-resumed"
    cp -a "$DISK/run" "$OUT/resumed"`;
    const node = [process.execPath, "--conditions=source", "--import", "tsx", main];
    const command = await write("tptt", `#!/bin/sh\nexec ${node.map((arg) => `'${arg}'`).join(" ")} "$@"\n`);
    await promisify(execFile)("chmod", ["+x", command]);
    await promisify(execFile)(
      "unshare",
      [...namespace, "sh", "-c", script, "sh", command, "train", ...saving],
      { env: { ...process.env, DISK: disk, OUT: out, TPTT: command } },
    );

    const stderr = await readFile(join(out, "stderr"), "utf8");
    const run = join(disk, "run");
    expect(await readFile(join(out, "code"), "utf8")).toBe("2\n");
    expect(stderr).toMatch(/\ntptt: .*: cannot be written: its disk is full; free some space\n$/);
    const latest = await latestCheckpoint(join(out, "full"), () => expect.unreachable());
    const step = Number(/checkpoint-(\d+)$/.exec(latest!)![1]);
    expect(step).toBeGreaterThanOrEqual(1);
    expect(step).toBeLessThan(12);
    expect(stderr).toContain(
      `\nthe last checkpoint is ${run}/checkpoint-${step}; to go on from it: npx tptt train --output ${run} --resume\n`,
    );
    expect((await readdir(join(out, "full"))).filter((name) => name.startsWith("."))).toEqual([]);

    const whole = join(folder, "whole");
    expect((await tptt(["train", ...options, "--output", whole])).code).toBe(0);
    const weights = (path: string) => readFile(join(path, "adapter_model.safetensors"));
    expect(await weights(join(out, "resumed"))).toEqual(await weights(whole));
  },
);
