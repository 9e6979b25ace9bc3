/** The 97.5 % quantile of the normal distribution: mean +- this many standard errors holds the truth 95 times in 100. */
const z95 = 1.959963984540054;

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
  readonly perplexity: number;
  /** 95 % confidence interval of the perplexity. */
  readonly perplexityInterval: readonly [low: number, high: number];
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

/**
 * The running mean of a loss over tokens. Tokens of a text are alike, so the samples, not the tokens, are what counts as
 * independent: the standard error is that of a ratio of sums over samples (Cochran, Sampling Techniques, 1977, 6.3).
 */
export class LossMeter {
  #samples: LossSample[] = [];

  /** Counts a batch. */
  add(sample: LossSample): void {
    if (sample.tokens > 0) this.#samples.push(sample);
  }

  /** @throws RangeError when nothing was added. */
  summary(): LossSummary {
    const samples = this.#samples;
    const n = samples.length;
    if (n === 0) throw new RangeError("LossMeter: no sample with a token to predict was added");
    const tokens = sum(samples.map((s) => s.tokens));
    const loss = sum(samples.map((s) => s.loss * s.tokens)) / tokens;
    const squares = sum(samples.map((s) => (s.tokens * (s.loss - loss)) ** 2));
    const lossStandardError = n > 1 ? Math.sqrt((squares * n) / (n - 1)) / tokens : Number.NaN;
    return {
      loss,
      lossStandardError,
      perplexity: Math.exp(loss),
      perplexityInterval: [
        Math.exp(loss - z95 * lossStandardError),
        Math.exp(loss + z95 * lossStandardError),
      ],
      tokens,
      tokensPerSecond: tokens / sum(samples.map((s) => s.seconds)),
    };
  }
}

/** What {@link ExactMatchMeter} has counted. */
export interface ExactMatchSummary {
  readonly matches: number;
  readonly total: number;
  /** Share of matches, 0 to 1; NaN of nothing. */
  readonly rate: number;
  /** 95 % confidence interval of the rate (Wilson, 1927): honest also at 0 and 1. */
  readonly interval: readonly [low: number, high: number];
}

/** Counts answers that are right from end to end: texts or token ids. One cell of a recall table. */
export class ExactMatchMeter {
  #matches = 0;
  #total = 0;

  /** Whether the answer matches. */
  add(answer: ArrayLike<unknown>, expected: ArrayLike<unknown>): boolean {
    const matches =
      answer.length === expected.length && Array.from(expected).every((item, i) => item === answer[i]);
    if (matches) this.#matches++;
    this.#total++;
    return matches;
  }

  /** What was counted. */
  summary(): ExactMatchSummary {
    const [matches, total] = [this.#matches, this.#total];
    const rate = matches / total;
    const spread = z95 ** 2 / total;
    const middle = (rate + spread / 2) / (1 + spread);
    const half = (z95 / (1 + spread)) * Math.sqrt((rate * (1 - rate) + spread / 4) / total);
    return { matches, total, rate, interval: [Math.max(0, middle - half), Math.min(1, middle + half)] };
  }
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
