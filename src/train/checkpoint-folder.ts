import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { SamplerPosition } from "../data/sampler.js";
import type { Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import { recoverFolder, writeFileAtomic, writeFolderAtomic } from "../io/atomic-file.js";
import { readJsonFile } from "../io/json-file.js";
import { writeSafetensors } from "../io/safetensors.js";
import { parseWith } from "../io/validate.js";
import { openSafetensors } from "../io/weight-source.js";
import { adapterFile } from "../tptt/files/adapter-file.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import type { TrainerState } from "./callback.js";
import type { AdamWState } from "./optimizer.js";

/** All that a run needs to go on beside the trained weights. Randomness follows from the seed and the step. */
export interface RunState {
  readonly globalStep: number;
  readonly best: TrainerState["best"];
  /** The next batch of data. */
  readonly data: SamplerPosition;
  /** Tokens predicted so far. */
  readonly tokens: number;
  readonly identity: RunIdentity;
}

/** What must be the same for a run to go on as if it had never stopped. */
export interface RunIdentity {
  readonly seed: number;
  readonly batchSize: number;
  /** Tells data sets apart. */
  readonly dataset: string;
}

/** What a checkpoint holds beside the model. */
export interface RunCheckpoint {
  readonly run: RunState;
  readonly optimizer: AdamWState;
}

const stateFile = "trainer_state.json";
const optimizerFile = "optimizer.safetensors";

const stateSchema = z
  .object({
    global_step: z.int().nonnegative(),
    best: z.object({ loss: z.number(), step: z.int() }).optional(),
    data: z.object({ epoch: z.int().nonnegative(), batch: z.int().nonnegative() }),
    tokens: z.int().nonnegative(),
    seed: z.int().nonnegative(),
    batch_size: z.int().positive(),
    dataset: z.string(),
  })
  .transform(
    ({ global_step, best, seed, batch_size, dataset, ...rest }): RunState => ({
      ...rest,
      globalStep: global_step,
      best,
      identity: { seed, batchSize: batch_size, dataset },
    }),
  );

const toJson = ({ globalStep, best, data, tokens, identity }: RunState): z.input<typeof stateSchema> => ({
  global_step: globalStep,
  best,
  data,
  tokens,
  seed: identity.seed,
  batch_size: identity.batchSize,
  dataset: identity.dataset,
});

/**
 * Writes a checkpoint `checkpoint-<step>`: a titan that can be used as it is, and the state of the run.
 *
 * @returns its folder.
 */
export async function writeCheckpoint(
  outputDir: string,
  model: TpttModel,
  { run, optimizer }: RunCheckpoint,
): Promise<string> {
  const folder = join(outputDir, `checkpoint-${run.globalStep}`);
  await writeFolderAtomic(folder, async (temporary) => {
    await model.savePretrained(temporary);
    const moments = new Map(Object.entries({ mean: optimizer.mean, square: optimizer.square }));
    await writeSafetensors(join(temporary, optimizerFile), moments);
    await writeFileAtomic(join(temporary, stateFile), `${JSON.stringify(toJson(run), null, 2)}\n`);
  });
  return folder;
}

/**
 * Reads a checkpoint; sets the model's weights when all of it is sound.
 *
 * @throws InputError naming the file and field that is missing or wrong, and when it is another run's: the seed, the
 * batch size or the data set differ.
 */
export async function readCheckpoint(
  folder: string,
  model: TpttModel,
  identity: RunIdentity,
): Promise<RunCheckpoint> {
  await recoverFolder(folder);
  const where = join(folder, stateFile);
  const run = parseWith(stateSchema, await readJsonFile(where), where);
  checkIdentity(run.identity, identity);
  const { mean, square } = await readMoments(join(folder, optimizerFile), model);
  await model.loadParams(join(folder, adapterFile));
  return { run, optimizer: { step: run.globalStep, mean, square } };
}

function checkIdentity(before: RunIdentity, now: RunIdentity): void {
  const check = (name: string, was: unknown, is: unknown) => {
    if (was === is) return;
    throw new InputError(name, `is ${is}, the run was started with ${was}; resume with that`);
  };
  check("seed", before.seed, now.seed);
  check("batch_size", before.batchSize, now.batchSize);
  check("dataset", before.dataset, now.dataset);
}

async function readMoments(path: string, model: TpttModel): Promise<{ mean: Tensor; square: Tensor }> {
  const size = model.trainable.reduce((sum, parameter) => sum + parameter.size, 0);
  const file = await openSafetensors(path);
  const read = async (name: string): Promise<Tensor> => {
    const tensor = await file.read(name);
    if (tensor.dtype === "f32" && String(tensor.shape) === String([size])) return tensor;
    throw new InputError(
      `${path}: tensor ${name}`,
      `is ${tensor.dtype} [${tensor.shape}], expected f32 [${size}]; check lora_config`,
    );
  };
  try {
    return { mean: await read("mean"), square: await read("square") };
  } finally {
    await file.close();
  }
}

/** The folder of the latest checkpoint of a run; undefined when there is none. */
export async function latestCheckpoint(outputDir: string): Promise<string | undefined> {
  const names = await readdir(outputDir).catch((): string[] => []);
  // A crash may have left a checkpoint set aside, under a name that begins with a dot.
  const steps = names
    .map((name) => Number(/^\.?checkpoint-(\d+)/.exec(name)?.[1]))
    .filter((step) => !Number.isNaN(step));
  for (const step of [...new Set(steps)].toSorted((a, b) => b - a)) {
    await recoverFolder(join(outputDir, `checkpoint-${step}`));
    if ((await readdir(outputDir)).includes(`checkpoint-${step}`))
      return join(outputDir, `checkpoint-${step}`);
  }
  return undefined;
}
