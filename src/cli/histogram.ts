export interface HistogramOptions {
  /** How many rows there are at most. */
  readonly rows?: number;
  /** Characters of the longest bar. */
  readonly width?: number;
}

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/**
 * How many values lie in each of some ranges of equal and round width: a row `from-to bar count` for each, `value bar count`
 * where they are one wide.
 */
export function histogram(
  values: readonly number[],
  { rows = 12, width = 40 }: HistogramOptions = {},
): string {
  const highest = values.reduce((a, b) => Math.max(a, b), 0);
  const step = roundStep((highest + 1) / rows);
  const counts = new Array<number>(Math.floor(highest / step) + 1).fill(0);
  for (const value of values) counts[Math.floor(value / step)]!++;
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  const labels = counts.map((_, i) => (step === 1 ? `${i}` : `${i * step}-${(i + 1) * step - 1}`));
  const margin = Math.max(...labels.map(({ length }) => length));
  return counts
    .map((count, i) => `${labels[i]!.padStart(margin)} │${bar((count / most) * width)} ${count}`)
    .join("\n");
}

/** The next of 1, 2, 5, 10, 20, .. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least)!;
}

/** Something shows wherever there is something. */
const bar = (length: number): string => {
  const parts = length > 0 ? Math.max(1, Math.round(8 * length)) : 0;
  return "█".repeat(parts >> 3) + eighths[parts & 7];
};
