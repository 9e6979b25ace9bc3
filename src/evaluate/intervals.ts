/** The 97.5 % quantile of the normal distribution: mean +- this many standard errors holds the truth 95 times in 100. */
export const z95 = 1.959963984540054;

/** How a confidence interval was made: see {@link proportion} and {@link ratioOfSums}. */
export const intervalMethods = ["wilson", "ratio"] as const;
/** One of {@link intervalMethods}. */
export type IntervalMethod = (typeof intervalMethods)[number];

/** A measured value and how sure it is. */
export interface Estimate {
  readonly value: number;
  /** 95 % confidence interval; its ends are NaN where one sample alone was measured. */
  readonly interval: readonly [low: number, high: number];
  readonly method: IntervalMethod;
  /** How many answers or tokens were measured. */
  readonly count: number;
}

/** A share of successes, with Wilson's interval (1927): honest also at 0 and 1. NaN of nothing. */
export function proportion(successes: number, count: number): Estimate {
  const value = successes / count;
  const spread = z95 ** 2 / count;
  const middle = (value + spread / 2) / (1 + spread);
  const half = (z95 / (1 + spread)) * Math.sqrt((value * (1 - value) + spread / 4) / count);
  return {
    value,
    interval: [Math.max(0, middle - half), Math.min(1, middle + half)],
    method: "wilson",
    count,
  };
}

/** What one sample (a batch, a text) adds to both sums of a ratio. */
export interface RatioSample {
  readonly sum: number;
  /** What it is divided by: tokens, say. */
  readonly count: number;
}

/** What {@link ratioOfSums} estimates. */
export interface Ratio extends Estimate {
  /** NaN for a single sample. */
  readonly standardError: number;
}

/**
 * A mean over tokens that come in samples. Tokens of a text are alike, so the samples, not the tokens, are what counts as
 * independent: the standard error is that of a ratio of sums over samples (Cochran, Sampling Techniques, 1977, 6.3), and
 * the interval is that of the normal distribution.
 *
 * @throws RangeError when there is no sample, or none with a token.
 */
export function ratioOfSums(samples: readonly RatioSample[]): Ratio {
  const total = (of: (sample: RatioSample) => number) => samples.reduce((sum, sample) => sum + of(sample), 0);
  const count = total((sample) => sample.count);
  if (!(count > 0)) throw new RangeError("ratioOfSums: there is no sample with anything in it");
  const n = samples.length;
  const value = total(({ sum }) => sum) / count;
  const squares = total((sample) => (sample.sum - value * sample.count) ** 2);
  const standardError = n > 1 ? Math.sqrt((squares * n) / (n - 1)) / count : Number.NaN;
  const half = z95 * standardError;
  return { value, interval: [value - half, value + half], method: "ratio", count, standardError };
}
