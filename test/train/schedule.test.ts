import { describe, expect, test } from "vitest";
import { getScheduler, type SchedulerType } from "../../src/train/schedule.js";

// Rates of transformers 4.56.2, get_scheduler(type, .., num_warmup_steps, num_training_steps) at 5e-4, two steps past the end;
// "constant" is its "constant_with_warmup".
const reference: [SchedulerType, number, number, number[]][] = [
  ["linear", 0, 10, [5e-4, 4.5e-4, 4e-4, 3.5e-4, 3e-4, 2.5e-4, 2e-4, 1.5e-4, 1e-4, 5e-5, 0, 0]],
  [
    "linear",
    4,
    12,
    [
      0, 1.25e-4, 2.5e-4, 3.75e-4, 5e-4, 4.375e-4, 3.75e-4, 3.125e-4, 2.5e-4, 1.875e-4, 1.25e-4, 6.25e-5, 0,
      0,
    ],
  ],
  ["linear", 3, 3, [0, 0.00016666666666666666, 0.0003333333333333333, 0, 0]],
  ["linear", 5, 2, [0, 1e-4, 2e-4, 3e-4]],
  [
    "cosine",
    0,
    10,
    [
      5e-4, 0.0004877641290737884, 0.0004522542485937369, 0.0003969463130731183, 0.00032725424859373687,
      2.5e-4, 0.00017274575140626317, 0.00010305368692688174, 4.7745751406263163e-5, 1.2235870926211617e-5, 0,
      1.2235870926211617e-5,
    ],
  ],
  [
    "cosine",
    4,
    12,
    [
      0, 1.25e-4, 2.5e-4, 3.75e-4, 5e-4, 0.0004809698831278217, 0.00042677669529663686, 0.0003456708580912725,
      2.5e-4, 0.00015432914190872756, 7.322330470336314e-5, 1.9030116872178316e-5, 0, 1.903011687217829e-5,
    ],
  ],
  ["cosine", 3, 3, [0, 0.00016666666666666666, 0.0003333333333333333, 5e-4, 0]],
  ["cosine", 5, 2, [0, 1e-4, 2e-4, 3e-4]],
  ["constant", 0, 10, new Array(12).fill(5e-4)],
  ["constant", 4, 12, [0, 1.25e-4, 2.5e-4, 3.75e-4, ...new Array(10).fill(5e-4)]],
  ["constant", 5, 2, [0, 1e-4, 2e-4, 3e-4]],
];

describe("getScheduler", () => {
  test.each(reference)(
    "%s with %i warmup steps of %i equals transformers",
    (type, warmupSteps, maxSteps, expected) => {
      const rate = getScheduler(type, { learningRate: 5e-4, warmupSteps, maxSteps });
      const rates = expected.map((_, step) => rate(step));
      expect(rates).toBeCloseToTensor(expected, { rtol: 1e-14, atol: 1e-18 });
    },
  );
});
