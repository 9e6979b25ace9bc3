import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { Example } from "../../src/data/tokenize.js";
import { Random } from "../../src/random.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import type { TpttModel } from "../../src/tptt/tptt-model.js";
import { type TrainingFields, trainingArguments } from "../../src/train/arguments.js";
import { LiZACallback } from "../../src/train/liza-callback.js";
import { SaveBestModelCallback } from "../../src/train/save-best-model-callback.js";
import { Trainer } from "../../src/train/trainer.js";
import type { TrainerOptions } from "../../src/train/trainer-options.js";
import { openTitan } from "../tptt/titan.js";

/** Sequences that count up in steps of 3 from any start, of different lengths. */
export function counting(count: number, seed = 0): Example[] {
  const random = Random.for(seed, "counting");
  return Array.from({ length: count }, () => {
    const start = random.below(96);
    const inputIds = Array.from({ length: 4 + random.below(20) }, (_, t) => (start + 3 * t) % 96);
    return { inputIds, labels: inputIds };
  });
}

/** A run of six short steps. */
export const fields: TrainingFields = {
  max_steps: 6,
  batch_size: 2,
  max_length: 24,
  learning_rate: 0.01,
  weight_decay: 0.01,
};
/** A titan over a tiny model. */
export const titan = (options: FromPretrainedOptions = {}) =>
  openTitan("llama-mha", { operatorMode: "delta_rule", loraConfig: { r: 4 }, ...options });

/** What a run may have of its own. */
export interface Setup extends Partial<Omit<TrainerOptions, "model" | "args">> {
  readonly fields?: TrainingFields;
}

/** A trainer of {@link fields}, if nothing else is asked for. */
export const trainer = (model: TpttModel, { fields: more, callbacks, ...options }: Setup = {}) =>
  new Trainer({
    model,
    args: trainingArguments({ ...fields, ...more }),
    trainDataset: counting(12),
    callbacks: callbacks ?? [new LiZACallback(model, { transitionStep: 4 }), new SaveBestModelCallback()],
    ...options,
  });

/** The trained weights by name, to compare. */
export const weightsOf = (model: TpttModel) =>
  Object.entries(model.params).map(([name, { f32 }]) => [name, f32]);

/** The lines of metrics.jsonl without what depends on the clock. */
export async function metricsOf(folder: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(join(folder, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
  return lines.map((line) => {
    const { tokens_per_second, ...rest } = JSON.parse(line);
    if (rest.eval_loss === undefined && !rest.skipped) expect(tokens_per_second).toBeGreaterThan(0);
    return rest;
  });
}
