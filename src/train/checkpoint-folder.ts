import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { SamplerPosition } from "../data/sampler.js";
import { Tensor } from "../engine/index.js";
import { recoverFolder, writeFileAtomic, writeFolderAtomic } from "../io/atomic-file.js";
import { readJsonFile } from "../io/json-file.js";
import { writeSafetensors } from "../io/safetensors.js";
import { parseWith } from "../io/validate.js";
import { openSafetensors } from "../io/weight-source.js";
import { adapterFile } from "../tptt/adapter-file.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import type { TrainerState } from "./callback.js";
import type { AdamWState } from "./optimizer.js";

/** All that a run needs to go on beside the trained weights. Randomness follows from the seed and the step. */
export interface RunState {
  readonly globalStep: number;
  readonly maxSteps: number;
  readonly seed: number;
  readonly best: TrainerState["best"];
  /** The next batch of data. */
  readonly data: SamplerPosition;
  /** Tokens predicted so far. */
  readonly tokens: number;
}

const stateFile = "trainer_state.json";
const optimizerFile = "optimizer.safetensors";

const stateSchema = z.object({
  global_step: z.int().nonnegative(),
  max_steps: z.int().positive(),
  seed: z.int().nonnegative(),
  best: z.object({ loss: z.number(), step: z.int() }).optional(),
  data: z.object({ epoch: z.int().nonnegative(), batch: z.int().nonnegative() }),
  tokens: z.number().nonnegative(),
});

/** Writes a checkpoint `checkpoint-<step>`: a titan that can be used as it is, and the state of the run. */
export async function writeCheckpoint(
  outputDir: string,
  model: TpttModel,
  run: RunState,
  optimizer: AdamWState,
): Promise<string> {
  const folder = join(outputDir, `checkpoint-${run.globalStep}`);
  await writeFolderAtomic(folder, async (temporary) => {
    await model.savePretrained(temporary);
    await writeSafetensors(
      join(temporary, optimizerFile),
      new Map([
        ["mean", optimizer.mean],
        ["square", optimizer.square],
      ]),
    );
    const { globalStep, maxSteps, ...rest } = run;
    const state = { global_step: globalStep, max_steps: maxSteps, ...rest };
    await writeFileAtomic(join(temporary, stateFile), `${JSON.stringify(state, null, 2)}\n`);
  });
  return folder;
}

/** Reads a checkpoint: sets the model's weights, gives the states of the run and of the optimizer. */
export async function readCheckpoint(
  folder: string,
  model: TpttModel,
): Promise<{ run: RunState; optimizer: AdamWState }> {
  const where = join(folder, stateFile);
  const { global_step, max_steps, ...rest } = parseWith(stateSchema, await readJsonFile(where), where);
  const weights = await openSafetensors(join(folder, optimizerFile));
  try {
    const [mean, square] = [await weights.read("mean"), await weights.read("square")];
    await model.loadParams(join(folder, adapterFile));
    return {
      run: { globalStep: global_step, maxSteps: max_steps, ...rest, best: rest.best },
      optimizer: {
        step: global_step,
        mean: Tensor.f32(mean.shape, mean.f32),
        square: Tensor.f32(square.shape, square.f32),
      },
    };
  } finally {
    await weights.close();
  }
}

/** The folder of the latest checkpoint of a run; undefined when there is none. */
export async function latestCheckpoint(outputDir: string): Promise<string | undefined> {
  const names = await readdir(outputDir).catch((): string[] => []);
  const steps = names
    .map((name) => /^\.?checkpoint-(\d+)/.exec(name)?.[1])
    .filter((step) => step !== undefined);
  for (const step of [...new Set(steps)].toSorted((a, b) => Number(b) - Number(a))) {
    const folder = join(outputDir, `checkpoint-${step}`);
    await recoverFolder(folder);
    if ((await readdir(outputDir)).includes(`checkpoint-${step}`)) return folder;
  }
  return undefined;
}
