import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { optionsFile, RunFolder } from "../../src/cli/run-folder.js";
import { writeManifest } from "../../src/io/manifest.js";
import { temporaryFolder } from "../models/fixture.js";

async function open(path: string, resume: boolean): Promise<RunFolder> {
  const folder = await RunFolder.open(path, resume);
  onTestFinished(() => folder.close());
  return folder;
}

async function checkpoint(path: string, step: number): Promise<void> {
  const folder = join(path, `checkpoint-${step}`);
  await mkdir(folder);
  await writeFile(join(folder, "weights"), "w");
  await writeManifest(folder);
}

test("a new run makes its folder and keeps its options there", async () => {
  const path = join(await temporaryFolder(), "a", "b");
  const folder = await open(path, false);
  expect(folder.checkpoint).toBeUndefined();
  await folder.begin({ lora_r: 4, lora_target_modules: ["q_proj"] });
  expect(await readFile(join(path, optionsFile), "utf8")).toBe(
    "lora_r: 4\nlora_target_modules:\n  - q_proj\n",
  );
  await folder.close();
  expect(await readdir(path)).toEqual(["train.yaml"]);
});

test("a new run that comes to nothing leaves nothing", async () => {
  const parent = await temporaryFolder();
  await (await RunFolder.open(join(parent, "a", "b"), false)).close();
  expect(await readdir(parent)).toEqual([]);

  const folder = await RunFolder.open(join(parent, "a", "b"), false);
  await folder.begin({});
  await writeFile(join(folder.path, "metrics.jsonl"), "");
  folder.discard();
  await folder.close();
  expect(await readdir(parent)).toEqual([]);

  const there = join(parent, "empty");
  await mkdir(there);
  const second = await RunFolder.open(there, false);
  await second.begin({});
  second.discard();
  await second.close();
  expect(await readdir(there)).toEqual([]);
});

test("a folder in use is refused", async () => {
  const path = await temporaryFolder();
  await mkdir(join(path, "checkpoint-2"));
  await expect(RunFolder.open(path, false)).rejects.toThrow(
    `${path}: is not empty (checkpoint-2); give a new folder, or --resume to go on with the run in it`,
  );
  expect(await readdir(path)).toEqual(["checkpoint-2"]);
  const file = join(path, "file");
  await writeFile(file, "");
  await expect(RunFolder.open(file, false)).rejects.toThrow(`${file}: is a file, expected a folder`);
});

test("a folder that another run is writing is refused, new or not", async () => {
  const path = await temporaryFolder();
  await open(path, false);
  await expect(RunFolder.open(path, false)).rejects.toThrow(
    `${path}: is being written by another run (process`,
  );
  await expect(RunFolder.open(path, true)).rejects.toThrow(
    `${path}: is being written by another run (process`,
  );
});

test("a run is resumed from its latest checkpoint, and nothing of it is discarded", async () => {
  const path = await temporaryFolder();
  const nothing = `${path}: holds no checkpoint to go on from; train without --resume in a new folder`;
  await expect(RunFolder.open(path, true)).rejects.toThrow(nothing);
  await writeFile(join(path, optionsFile), "");
  await expect(RunFolder.open(path, true)).rejects.toThrow(nothing);
  for (const step of [2, 10, 4]) await checkpoint(path, step);
  const folder = await RunFolder.open(path, true);
  expect(folder).toMatchObject({ checkpoint: join(path, "checkpoint-10"), torn: [] });
  await folder.begin({ seed: 1 });
  folder.discard();
  await folder.close();
  expect((await readdir(path)).sort()).toEqual([
    "checkpoint-10",
    "checkpoint-2",
    "checkpoint-4",
    "train.yaml",
  ]);
});

test("a torn checkpoint is set aside for the one before; without one there is nothing to go on from", async () => {
  const path = await temporaryFolder();
  await checkpoint(path, 2);
  await checkpoint(path, 4);
  await writeFile(join(path, "checkpoint-4", "weights"), "");
  const folder = await RunFolder.open(path, true);
  const problem = `${join(path, "checkpoint-4", "weights")}: has 0 bytes, manifest.json says 1; it is torn`;
  expect(folder.checkpoint).toBe(join(path, "checkpoint-2"));
  expect(folder.torn).toEqual([`${problem}; set aside as ${join(path, "checkpoint-4.torn")}`]);
  await folder.close();
  expect((await readdir(path)).sort()).toEqual(["checkpoint-2", "checkpoint-4.torn"]);

  await writeFile(join(path, "checkpoint-2", "weights"), "");
  await expect(RunFolder.open(path, true)).rejects.toThrow(
    `${path}: holds no sound checkpoint (${join(path, "checkpoint-2", "weights")}: has 0 bytes`,
  );
  // The lock was given back.
  await expect(RunFolder.open(path, true)).rejects.toThrow("holds no sound checkpoint");
});
