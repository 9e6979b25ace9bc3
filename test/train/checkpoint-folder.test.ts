import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { writeManifest } from "../../src/io/manifest.js";
import type { TrainingFields } from "../../src/train/arguments.js";
import { latestCheckpoint, rotateCheckpoints, setTornAside } from "../../src/train/checkpoint-folder.js";
import { temporaryFolder } from "../models/fixture.js";
import { counting, titan, trainer } from "./setup.js";

/** A folder of checkpoints that are as they were written. */
async function folderOf(...steps: number[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const step of steps) {
    const checkpoint = join(folder, `checkpoint-${step}`);
    await mkdir(checkpoint);
    await writeFile(join(checkpoint, "weights"), `of step ${step}`);
    await writeManifest(checkpoint);
  }
  return folder;
}

const names = async (folder: string) => (await readdir(folder)).sort();

test("the latest checkpoint is that of the highest step", async () => {
  const folder = await folderOf(2, 10, 4);
  expect(await latestCheckpoint(folder, () => expect.unreachable())).toBe(join(folder, "checkpoint-10"));
});

test("torn checkpoints are passed over, and told", async () => {
  const folder = await folderOf(2, 4, 6);
  await writeFile(join(folder, "checkpoint-6", "weights"), "of step");
  await mkdir(join(folder, "checkpoint-8"));
  const torn: string[] = [];
  const latest = await latestCheckpoint(folder, (path, problem) =>
    torn.push(`${basename(path)}: ${problem}`),
  );
  expect(latest).toBe(join(folder, "checkpoint-4"));
  expect(torn).toEqual([
    expect.stringMatching(/^checkpoint-8: .*manifest.json: is missing/),
    expect.stringMatching(/^checkpoint-6: .*weights: has 7 bytes, manifest.json says 9; it is torn$/),
  ]);
  expect(await setTornAside(join(folder, "checkpoint-6"))).toBe(join(folder, "checkpoint-6.torn"));
  await mkdir(join(folder, "checkpoint-6"));
  await setTornAside(join(folder, "checkpoint-6"));
  expect(await names(folder)).toEqual(["checkpoint-2", "checkpoint-4", "checkpoint-6.torn", "checkpoint-8"]);
  expect(await names(join(folder, "checkpoint-6.torn"))).toEqual([]);
});

test.each<[number, number, number | undefined, number[]]>([
  [2, 8, undefined, [6, 8]],
  [2, 8, 2, [2, 8]],
  [1, 8, 2, [2, 8]],
  [1, 8, 8, [8]],
  [9, 8, undefined, [2, 4, 6, 8]],
  // What another run has written beyond.
  [1, 4, undefined, [4, 6, 8]],
])(
  "of 2, 4, 6, 8 with room for %i, the newest %i and the best %o, there stay %j",
  async (limit, newest, best, left) => {
    const folder = await folderOf(2, 4, 6, 8);
    await rotateCheckpoints(folder, limit, { newest, best });
    expect(await names(folder)).toEqual(left.map((step) => `checkpoint-${step}`));
  },
);

test("a run keeps as many checkpoints as it is told, the best among them", async () => {
  const outputDir = await temporaryFolder();
  const setup = {
    outputDir,
    evalDataset: counting(3, 1),
    fields: {
      eval_steps: 1,
      save_steps: 1,
      max_steps: 6,
      learning_rate: 0.3,
      save_total_limit: 2,
    } as TrainingFields,
  };
  const losses: number[] = [];
  await trainer(await titan(), {
    ...setup,
    observer: {
      onEvaluated: (_, { loss }) => losses.push(loss),
    },
  }).train();
  const best = losses.indexOf(Math.min(...losses));
  expect(best).toBeLessThan(6);
  const checkpoints = (await names(outputDir)).filter((name) => name.startsWith("checkpoint"));
  expect(checkpoints).toEqual([...new Set([best === 0 ? 5 : best, 6])].map((step) => `checkpoint-${step}`));
  const state = JSON.parse(await readFile(join(outputDir, "checkpoint-6", "trainer_state.json"), "utf8"));
  expect(state.global_step).toBe(6);
});
