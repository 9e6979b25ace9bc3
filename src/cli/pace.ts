/**
 * Tokens a second, from the times [ms] at which they came: by the median of the time between two, for the first ones
 * wait until their graphs are made. Undefined when there are no two.
 */
export function pace(arrivals: readonly number[]): number | undefined {
  if (arrivals.length < 2) return undefined;
  const waits = arrivals.slice(1).map((time, i) => time - arrivals[i]!);
  return 1000 / waits.toSorted((a, b) => a - b)[waits.length >> 1]!;
}
