import { collate } from "../data/collate.js";
import { type FactsText, factsText } from "../data/facts.js";
import { ignoreIndex } from "../data/ignore-index.js";
import type { Tensor } from "../engine/index.js";
import type { Random } from "../random.js";
import type { ForwardInputs } from "../tptt/graphs/batch.js";
import { ExactMatchMeter, type ExactMatchSummary } from "./metrics.js";

/** Questions of like distance from their facts. */
export interface RecallBand {
  /** The distances in windows of attention; `inside` for those that a window holds. */
  readonly name: string;
  /** The distances, in tokens: both ends are in the band. */
  readonly near: number;
  readonly far: number;
}

/** The bands that recall is told in, for a model whose attention sees the last `window` tokens. */
export function recallBands(window: number): RecallBand[] {
  // What is told one sentence before is no question.
  const inside = { name: "inside", near: 6, far: window - 1 };
  const beyond = [
    [1, 2],
    [2, 4],
    [4, 5],
    [8, 10],
    [16, 19],
  ] as const;
  return [
    inside,
    ...beyond.map(([from, to]) => ({ name: `${from}-${to}x`, near: from * window, far: to * window - 1 })),
  ];
}

/** Texts of which every question lies in the band. */
export const bandTexts = (random: Random, { near, far }: RecallBand, count: number): FactsText[] =>
  Array.from({ length: count }, () => factsText(random, { length: far + 96, near, far }));

/** What was measured of the questions of some texts. */
export interface Recall extends ExactMatchSummary {
  /** Mean loss of an answer, in nats. */
  readonly loss: number;
}

/** A model that gives logits [B, S, vocab] for whole sequences. */
export interface LogitsModel {
  /** Runs a batch. */
  forward(inputs: ForwardInputs): Promise<{ readonly logits: Tensor }>;
}

/**
 * Exact recall of a model at its present mu: how often the most likely token at the place of an answer is the answer,
 * and the loss there.
 */
export async function evaluateRecall(
  model: LogitsModel,
  texts: readonly FactsText[],
  batchSize: number,
): Promise<Recall> {
  const meter = new ExactMatchMeter();
  let lossSum = 0;
  for (let start = 0; start < texts.length; start += batchSize) {
    const batch = texts.slice(start, start + batchSize);
    const { logits } = await model.forward(inputsOf(batch, batchSize));
    const [, length, vocab] = logits.shape as [number, number, number];
    for (const [row, { inputIds, questions }] of batch.entries()) {
      for (const { position } of questions) {
        const at = (row * length + position - 1) * vocab;
        const scores = logits.f32.subarray(at, at + vocab);
        const answer = inputIds[position]!;
        meter.add([argmax(scores)], [answer]);
        lossSum += logSumExp(scores) - scores[answer]!;
      }
    }
  }
  const summary = meter.summary();
  return { ...summary, loss: lossSum / summary.total };
}

function inputsOf(texts: readonly FactsText[], batchSize: number): ForwardInputs {
  const longest = Math.max(...texts.map(({ inputIds }) => inputIds.length));
  const examples = texts.map(({ inputIds }) => ({ inputIds, labels: inputIds.map(() => ignoreIndex) }));
  return collate(examples, { batchSize, buckets: [longest], paddingSide: "right" });
}

const argmax = (scores: Float32Array): number => scores.indexOf(Math.max(...scores));

function logSumExp(scores: Float32Array): number {
  const highest = Math.max(...scores);
  return highest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - highest), 0));
}
