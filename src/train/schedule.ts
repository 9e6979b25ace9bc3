export const schedulerTypes = ["linear", "cosine", "constant"] as const;

export type SchedulerType = (typeof schedulerTypes)[number];

export interface SchedulerOptions {
  /** The highest rate, reached when the warmup ends. */
  readonly learningRate: number;
  /** Steps over which the rate rises from 0. */
  readonly warmupSteps: number;
  /** Steps after which `linear` and `cosine` are at 0. */
  readonly maxSteps: number;
}

/**
 * The learning rate of a step, counted from 0. Its numbers are those of `get_scheduler` of transformers; `constant` too
 * has a warmup, as `constant_with_warmup` there.
 */
export function getScheduler(
  type: SchedulerType,
  { learningRate, warmupSteps, maxSteps }: SchedulerOptions,
): (step: number) => number {
  const decaySteps = Math.max(1, maxSteps - warmupSteps);
  return (step) => {
    if (step < warmupSteps) return learningRate * (step / warmupSteps);
    switch (type) {
      case "linear":
        return learningRate * Math.max(0, (maxSteps - step) / decaySteps);
      case "cosine":
        return learningRate * 0.5 * (1 + Math.cos((Math.PI * (step - warmupSteps)) / decaySteps));
      case "constant":
        return learningRate;
    }
  };
}
