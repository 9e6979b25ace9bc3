import { answersExample, type FactsText, factsText } from "../../data/facts.js";
import {
  bandTexts,
  evaluateRecall,
  type Recall,
  type RecallBand,
  recallBands,
} from "../../evaluate/recall.js";
import { Random } from "../../random.js";
import type { TpttModel } from "../../tptt/tptt-model.js";
import { trainingArguments } from "../../train/arguments.js";
import { LiZACallback } from "../../train/liza-callback.js";
import { Trainer } from "../../train/trainer.js";
import type { TrainingResult } from "../../train/trainer-options.js";

/** Recall of a model as it is set up, band by band. */
export type RecallByBand = readonly (Recall & { readonly band: RecallBand })[];

/** Measures exact recall on held-out texts, the same ones for every model. */
export class RecallTest {
  readonly #bands: readonly { readonly band: RecallBand; readonly texts: readonly FactsText[] }[];
  readonly #batchSize: number;

  /** @param window of the base model's attention. @param samples texts in each band. */
  constructor(window: number, samples: number, seed: number) {
    // Attention over long texts takes memory by the square of their length.
    this.#batchSize = Math.min(samples, 8);
    this.#bands = recallBands(window).map((band) => ({
      band,
      texts: bandTexts(Random.for(seed, "held-out", band.name), band, samples),
    }));
  }

  async run(model: TpttModel): Promise<RecallByBand> {
    const results = [];
    for (const { band, texts } of this.#bands) {
      results.push({ band, ...(await evaluateRecall(model, texts, this.#batchSize)) });
    }
    return results;
  }
}

/** How the demo's titan is trained. */
export interface DemoTraining {
  readonly steps: number;
  readonly seed: number;
  /** Told after each step. */
  onStep(step: number, total: number, told: { loss: number; mu: number }): void;
}

/** Tokens of a text to train on: more than twice the window, and a question may come 110 tokens after its fact. */
const length = 128;
const batchSize = 16;

/**
 * Trains a titan to answer from beyond its window: LoRA, the loss on answers alone, mu rising from 0 to 0.5 in the first
 * fifth of the steps.
 */
export function trainOnFacts(
  model: TpttModel,
  { steps, seed, onStep }: DemoTraining,
): Promise<TrainingResult> {
  const random = Random.for(seed, "training");
  const texts = Array.from({ length: steps * batchSize }, () =>
    factsText(random, { length, near: 6, far: 110 }),
  );
  return new Trainer({
    model,
    args: trainingArguments({
      max_steps: steps,
      batch_size: batchSize,
      max_length: length,
      learning_rate: 2e-2,
      warmup_steps: Math.min(10, steps),
      seed,
    }),
    trainDataset: texts.map(answersExample),
    callbacks: [new LiZACallback(model, { mode: "gradual", transitionStep: Math.ceil(steps / 5) })],
    observer: {
      onStep: (step, total, { loss, mag_weight }) =>
        onStep(step, total, { loss: Number(loss), mu: Number(mag_weight) }),
    },
  }).train();
}

/** What reading takes. */
export interface Reading {
  readonly tokensPerSecond: number;
  /** Bytes that the decoder remembers, by the number of tokens that it has read. */
  readonly stateBytes: readonly { readonly tokens: number; readonly bytes: number }[];
}

/** Reads a long text as generation does. */
export async function measureReading(model: TpttModel, seed: number): Promise<Reading> {
  // Whole blocks of the decoder. The first ones are off the clock: graphs are made, windows are filled.
  const [block, unclocked, tokens] = [64, 128, 896];
  const { inputIds } = factsText(Random.for(seed, "reading"), { length: tokens, near: tokens, far: tokens });
  const decoder = model.decoder();
  await decoder.read([inputIds.slice(0, unclocked)]);
  const bytesBefore = decoder.stateBytes;
  const times: number[] = [];
  for (let at = unclocked; at < tokens; at += block) {
    const start = performance.now();
    await decoder.read([inputIds.slice(at, at + block)]);
    times.push(performance.now() - start);
  }
  // The median: a block takes a millisecond, and whatever else the machine does takes longer.
  const typical = times.toSorted((x, y) => x - y)[times.length >> 1]!;
  return {
    tokensPerSecond: (1000 * block) / typical,
    stateBytes: [
      { tokens: unclocked, bytes: bytesBefore },
      { tokens, bytes: decoder.stateBytes },
    ],
  };
}

/** A text that ends in a question, and its answer. */
export interface FarQuestion {
  readonly prompt: string;
  readonly answer: string;
  /** Tokens from the fact to the question. */
  readonly distance: number;
}

/** A question after a fact that lies four windows back. */
export function farQuestion(model: TpttModel, window: number, seed: number): FarQuestion {
  const tokenizer = model.requireTokenizer();
  const band = recallBands(window).find(({ near }) => near === 4 * window)!;
  const [text] = bandTexts(Random.for(seed, "question"), band, 1);
  const { inputIds, questions } = text!;
  const { position, distance } = questions.at(-1)!;
  return {
    prompt: tokenizer.decode(inputIds.slice(0, position), { skipSpecialTokens: true }),
    answer: tokenizer.decode([inputIds[position]!]),
    distance,
  };
}
