import { type Estimate, proportion, ratioOfSums } from "./intervals.js";

/** What was measured on one batch (or one example). */
export interface LossSample {
  /** Mean loss per token, in nats. */
  readonly loss: number;
  /** Tokens that were predicted. */
  readonly tokens: number;
  /** Time that it took. */
  readonly seconds: number;
}

/** What {@link LossMeter} has measured. */
export interface LossSummary {
  /** Mean loss per token, in nats. */
  readonly loss: number;
  /** Standard error of `loss`; NaN for a single sample. */
  readonly lossStandardError: number;
  /** 95 % confidence interval of the loss. */
  readonly lossInterval: readonly [low: number, high: number];
  readonly perplexity: number;
  /** 95 % confidence interval of the perplexity. */
  readonly perplexityInterval: readonly [low: number, high: number];
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

/** The running mean of a loss over tokens; samples are what counts as independent ({@link ratioOfSums}). */
export class LossMeter {
  #samples: LossSample[] = [];

  /** Counts a batch. */
  add(sample: LossSample): void {
    if (sample.tokens > 0) this.#samples.push(sample);
  }

  /** @throws RangeError when nothing was added. */
  summary(): LossSummary {
    const samples = this.#samples;
    if (samples.length === 0) throw new RangeError("LossMeter: no sample with a token to predict was added");
    const ratio = ratioOfSums(samples.map(({ loss, tokens }) => ({ sum: loss * tokens, count: tokens })));
    const [low, high] = ratio.interval;
    return {
      loss: ratio.value,
      lossStandardError: ratio.standardError,
      lossInterval: [low, high],
      perplexity: Math.exp(ratio.value),
      perplexityInterval: [Math.exp(low), Math.exp(high)],
      tokens: ratio.count,
      tokensPerSecond: ratio.count / samples.reduce((sum, { seconds }) => sum + seconds, 0),
    };
  }
}

/** What {@link ExactMatchMeter} has counted. */
export interface ExactMatchSummary {
  readonly matches: number;
  readonly total: number;
  /** Share of matches, 0 to 1; NaN of nothing. */
  readonly rate: number;
  /** 95 % confidence interval of the rate (Wilson, 1927). */
  readonly interval: Estimate["interval"];
}

/** Counts answers that are right from end to end: texts or token ids. One cell of a recall table. */
export class ExactMatchMeter {
  #matches = 0;
  #total = 0;

  /** Whether the answer matches. */
  add(answer: ArrayLike<unknown>, expected: ArrayLike<unknown>): boolean {
    const matches =
      answer.length === expected.length && Array.from(expected).every((item, i) => item === answer[i]);
    this.count(matches);
    return matches;
  }

  /** Counts an answer that is known to be right or wrong. */
  count(matches: boolean): void {
    if (matches) this.#matches++;
    this.#total++;
  }

  /** What was counted. */
  summary(): ExactMatchSummary {
    const { value, interval } = this.estimate();
    return { matches: this.#matches, total: this.#total, rate: value, interval };
  }

  /** The share of matches. */
  estimate(): Estimate {
    return proportion(this.#matches, this.#total);
  }
}
