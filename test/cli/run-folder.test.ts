import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RunFolder } from "../../src/cli/run-folder.js";
import { temporaryFolder } from "../models/fixture.js";

test("a new run makes its folder and keeps its options there", async () => {
  const path = join(await temporaryFolder(), "a", "b");
  const folder = await RunFolder.open(path, false);
  expect(folder.checkpoint).toBeUndefined();
  await folder.begin({ lora_r: 4, lora_target_modules: ["q_proj"] });
  expect(await readFile(RunFolder.optionsFile(path), "utf8")).toBe(
    "lora_r: 4\nlora_target_modules:\n  - q_proj\n",
  );
});

test("a new run that comes to nothing leaves nothing", async () => {
  const parent = await temporaryFolder();
  const folder = await RunFolder.open(join(parent, "a", "b"), false);
  await folder.begin({});
  await writeFile(join(folder.path, "metrics.jsonl"), "");
  await folder.discard();
  expect(await readdir(parent)).toEqual([]);

  const there = join(parent, "empty");
  await mkdir(there);
  const second = await RunFolder.open(there, false);
  await second.begin({});
  await second.discard();
  expect(await readdir(there)).toEqual([]);
});

test("a folder in use is refused", async () => {
  const path = await temporaryFolder();
  await mkdir(join(path, "checkpoint-2"));
  await expect(RunFolder.open(path, false)).rejects.toThrow(
    `${path}: is not empty (checkpoint-2); give a new folder, or --resume to go on with the run in it`,
  );
  const file = join(path, "file");
  await writeFile(file, "");
  await expect(RunFolder.open(file, false)).rejects.toThrow(`${file}: is a file, expected a folder`);
});

test("a run is resumed from its latest checkpoint, and nothing of it is discarded", async () => {
  const path = await temporaryFolder();
  await expect(RunFolder.open(path, true)).rejects.toThrow(
    `${path}: holds no checkpoint to go on from; train without --resume in a new folder`,
  );
  for (const step of [2, 10, 4]) await mkdir(join(path, `checkpoint-${step}`));
  const folder = await RunFolder.open(path, true);
  expect(folder.checkpoint).toBe(join(path, "checkpoint-10"));
  await folder.begin({ seed: 1 });
  await folder.discard();
  expect((await readdir(path)).sort()).toEqual([
    "checkpoint-10",
    "checkpoint-2",
    "checkpoint-4",
    "train.yaml",
  ]);
});
