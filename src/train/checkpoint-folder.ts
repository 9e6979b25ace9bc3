import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { SamplerPosition } from "../data/sampler.js";
import { sameShape, type Tensor } from "../engine/index.js";
import { errorCode, InputError } from "../errors.js";
import { recoverFolder, removeFolder, writeFileAtomic, writeFolderAtomic } from "../io/atomic-file.js";
import { readJsonFile } from "../io/json-file.js";
import { checkManifest, writeManifest } from "../io/manifest.js";
import { pathInside } from "../io/model-folder.js";
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
  /** Steps that were skipped, for the optimizer took them not. */
  readonly skipped: number;
  /** The losses of the last steps that it took, for the {@link LossGuard}. */
  readonly recentLosses: readonly number[];
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
/** For people, who may change it: no part of what is checked. */
const cardFile = "README.md";

const checkpointName = (step: number) => `checkpoint-${step}`;

const stateSchema = z
  .object({
    global_step: z.int().nonnegative(),
    best: z.object({ loss: z.number(), step: z.int() }).optional(),
    data: z.object({ epoch: z.int().nonnegative(), batch: z.int().nonnegative() }),
    tokens: z.int().nonnegative(),
    skipped: z.int().nonnegative(),
    recent_losses: z.array(z.number()),
    seed: z.int().nonnegative(),
    batch_size: z.int().positive(),
    dataset: z.string(),
  })
  .transform(
    ({ global_step, best, recent_losses, seed, batch_size, dataset, ...rest }): RunState => ({
      ...rest,
      recentLosses: recent_losses,
      globalStep: global_step,
      best,
      identity: { seed, batchSize: batch_size, dataset },
    }),
  );

const toJson = ({ globalStep, recentLosses, identity, ...rest }: RunState): z.input<typeof stateSchema> => ({
  global_step: globalStep,
  ...rest,
  recent_losses: [...recentLosses],
  seed: identity.seed,
  batch_size: identity.batchSize,
  dataset: identity.dataset,
});

/**
 * Writes a checkpoint `checkpoint-<step>`: a titan that can be used as it is, the state of the run, and the hashes of all
 * of it. The folder appears whole or not at all.
 *
 * @returns its folder.
 * @throws InputError when the disk is full; what was there before is as it was.
 */
export async function writeCheckpoint(
  outputDir: string,
  model: TpttModel,
  { run, optimizer }: RunCheckpoint,
): Promise<string> {
  const folder = join(outputDir, checkpointName(run.globalStep));
  await writeFolderAtomic(folder, async (temporary) => {
    await model.savePretrained(temporary);
    const moments = new Map(Object.entries({ mean: optimizer.mean, square: optimizer.square }));
    await writeSafetensors(join(temporary, optimizerFile), moments);
    await writeFileAtomic(join(temporary, stateFile), `${JSON.stringify(toJson(run), null, 2)}\n`);
    await writeManifest(temporary, [cardFile]);
  });
  return folder;
}

/**
 * Reads a checkpoint; sets the model's weights when all of it is sound.
 *
 * @throws InputError naming the file that is not what was written, or the field that is wrong, and when it is another
 * run's: the seed, the batch size or the data set differ.
 */
export async function readCheckpoint(
  folder: string,
  model: TpttModel,
  identity: RunIdentity,
): Promise<RunCheckpoint> {
  await recoverFolder(folder);
  await checkManifest(folder);
  const where = await pathInside(folder, stateFile);
  const run = parseWith(stateSchema, await readJsonFile(where), where);
  checkIdentity(run.identity, identity);
  const { mean, square } = await readMoments(await pathInside(folder, optimizerFile), model);
  await model.loadParams(await pathInside(folder, adapterFile));
  return { run, optimizer: { step: run.globalStep - run.skipped, mean, square } };
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
    if (tensor.dtype === "f32" && sameShape(tensor.shape, [size])) return tensor;
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

/**
 * The folder of a run's latest checkpoint that is as it was written.
 *
 * @param onTorn told of each later one that is not, and why.
 * @returns undefined when there is none.
 */
export async function latestCheckpoint(
  outputDir: string,
  onTorn?: (folder: string, problem: string) => void,
): Promise<string | undefined> {
  for (const step of (await stepsIn(outputDir)).toReversed()) {
    const folder = join(outputDir, checkpointName(step));
    await recoverFolder(folder);
    try {
      await checkManifest(folder);
      return folder;
    } catch (error) {
      // EIO: the disk cannot give back what was written.
      if (!(error instanceof InputError) && errorCode(error) !== "EIO") throw error;
      onTorn?.(folder, error instanceof Error ? error.message : String(error));
    }
  }
  return undefined;
}

/** Gives a torn checkpoint a name that is no checkpoint's, in place of any that has it: `checkpoint-<step>.torn`. */
export async function setTornAside(folder: string): Promise<string> {
  const aside = `${folder}.torn`;
  await rm(aside, { recursive: true, force: true });
  await rename(folder, aside);
  return aside;
}

/**
 * Removes the oldest checkpoints beyond a number. The newest and the best always stay; those of later steps, which
 * another run has written, are not touched.
 *
 * @param limit how many stay. @param newest the step of the newest. @param best the step of the best.
 */
export async function rotateCheckpoints(
  outputDir: string,
  limit: number,
  { newest, best }: { readonly newest: number; readonly best: number | undefined },
): Promise<void> {
  const steps = (await stepsIn(outputDir)).filter((step) => step <= newest);
  let excess = steps.length - limit;
  for (const step of steps) {
    if (excess <= 0) return;
    if (step === newest || step === best) continue;
    await removeFolder(join(outputDir, checkpointName(step)));
    excess--;
  }
}

/** The steps of the checkpoints in a folder, in order; also of one that a crash has set aside, under a name that begins with a dot. */
async function stepsIn(outputDir: string): Promise<number[]> {
  const names = await readdir(outputDir).catch((): string[] => []);
  const steps = names.flatMap((name) => {
    const [, step] = /^(?:checkpoint-(\d+)|\.checkpoint-(\d+)\.old\.tmp)$/.exec(name)?.filter(Boolean) ?? [];
    return step === undefined ? [] : [Number(step)];
  });
  return [...new Set(steps)].toSorted((a, b) => a - b);
}
