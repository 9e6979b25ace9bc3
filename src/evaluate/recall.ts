import { type FactsText, factsText } from "../data/facts.js";
import type { Random } from "../random.js";
import { ExactMatchMeter, type ExactMatchSummary } from "./metrics.js";
import { type ScoringModel, scoreProbes } from "./token-scores.js";

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

/**
 * Exact recall of a model at its present mu: how often the most likely token at the place of an answer is the answer,
 * and the loss there.
 */
export async function evaluateRecall(
  model: ScoringModel,
  texts: readonly FactsText[],
  batchSize: number,
): Promise<Recall> {
  const probes = texts.map(({ inputIds, questions }) => ({
    inputIds,
    targets: questions.map(({ position }) => ({ after: position - 1, token: inputIds[position]! })),
  }));
  const meter = new ExactMatchMeter();
  let lossSum = 0;
  for (const { greedy, logProb } of (await scoreProbes(model, probes, { batchSize })).flat()) {
    meter.count(greedy);
    lossSum -= logProb;
  }
  const summary = meter.summary();
  return { ...summary, loss: lossSum / summary.total };
}
