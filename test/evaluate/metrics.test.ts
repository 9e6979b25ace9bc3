import { describe, expect, test } from "vitest";
import { ExactMatchMeter, LossMeter } from "../../src/evaluate/metrics.js";
import { Random } from "../../src/random.js";

describe("LossMeter", () => {
  test("weighs samples by their tokens", () => {
    const meter = new LossMeter();
    meter.add({ loss: 1, tokens: 30, seconds: 2 });
    meter.add({ loss: 3, tokens: 10, seconds: 3 });
    meter.add({ loss: Number.NaN, tokens: 0, seconds: 3 });
    const summary = meter.summary();
    expect(summary.loss).toBeCloseTo(1.5, 12);
    expect(summary.perplexity).toBeCloseTo(Math.exp(1.5), 12);
    expect(summary.tokens).toBe(40);
    expect(summary.tokensPerSecond).toBe(8);
  });

  test("has the usual standard error where samples are of one size", () => {
    const meter = new LossMeter();
    for (const loss of [1, 2, 3, 4]) meter.add({ loss, tokens: 7, seconds: 1 });
    // Standard deviation sqrt(5/3) over sqrt(4).
    expect(meter.summary().lossStandardError).toBeCloseTo(Math.sqrt(5 / 3) / 2, 12);
  });

  test("has an interval that holds the truth 95 times in 100", () => {
    const random = new Random(11);
    const runs = 1000;
    let held = 0;
    for (let run = 0; run < runs; run++) {
      const meter = new LossMeter();
      for (let i = 0; i < 40; i++) {
        // A text of its own difficulty, of random length: its tokens are not independent.
        meter.add({ loss: 2 + 0.5 * random.normal(), tokens: 20 + random.below(200), seconds: 1 });
      }
      const [low, high] = meter.summary().perplexityInterval;
      if (low <= Math.exp(2) && Math.exp(2) <= high) held++;
    }
    expect(held / runs).toBeGreaterThan(0.92);
    expect(held / runs).toBeLessThan(0.97);
  });

  test("claims no certainty from one sample, and nothing from none", () => {
    const meter = new LossMeter();
    expect(() => meter.summary()).toThrow(RangeError);
    meter.add({ loss: 1, tokens: 5, seconds: 1 });
    expect(meter.summary().lossStandardError).toBeNaN();
  });
});

describe("ExactMatchMeter", () => {
  test("counts answers that match from end to end", () => {
    const meter = new ExactMatchMeter();
    expect(meter.add([1, 2, 3], [1, 2, 3])).toBe(true);
    expect(meter.add([1, 2], [1, 2, 3])).toBe(false);
    expect(meter.add([1, 2, 3, 4], [1, 2, 3])).toBe(false);
    expect(meter.add([1, 2, 4], Int32Array.of(1, 2, 3))).toBe(false);
    expect(meter.add("Paris", "Paris")).toBe(true);
    expect(meter.summary()).toMatchObject({ matches: 2, total: 5, rate: 0.4 });
  });

  test("gives Wilson's interval", () => {
    const interval = (matches: number, total: number) => {
      const meter = new ExactMatchMeter();
      for (let i = 0; i < total; i++) meter.add([i < matches ? 1 : 0], [1]);
      return meter.summary().interval;
    };
    // Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    expect(interval(81, 263)).toBeCloseToTensor([0.2553, 0.3662], { rtol: 0, atol: 5e-5 });
    expect(interval(15, 148)).toBeCloseToTensor([0.0624, 0.1605], { rtol: 0, atol: 5e-5 });
    expect(interval(0, 20)).toBeCloseToTensor([0, 0.1611], { rtol: 0, atol: 5e-5 });
    expect(interval(1, 29)).toBeCloseToTensor([0.0061, 0.1718], { rtol: 0, atol: 5e-5 });
  });
});
