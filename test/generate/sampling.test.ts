import { describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { createTokenSampler, type SamplingOptions } from "../../src/generate/sampling.js";
import { Random } from "../../src/random.js";

const draws = 20_000;

/** Shares of the tokens over many draws. */
function shares(logits: number[], options: SamplingOptions): number[] {
  const sample = createTokenSampler(options, new Random(5));
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < draws; i++) counts[sample(Float32Array.from(logits))]!++;
  return counts.map((count) => count / draws);
}

const logitsOf = (...probabilities: number[]) => probabilities.map(Math.log);
// Three standard errors of a share.
const tolerance = { rtol: 0, atol: (3 * 0.5) / Math.sqrt(draws) };

describe("createTokenSampler", () => {
  test("temperature 0 takes the largest logit, the first of equals", () => {
    const sample = createTokenSampler({ temperature: 0 }, new Random(1));
    expect(sample(Float32Array.of(-3, 2, 5, 5, -1))).toBe(2);
    expect(sample(Float32Array.of(-Infinity, -Infinity, -1e30))).toBe(2);
  });

  test("draws by softmax", () => {
    expect(shares(logitsOf(0.1, 0.2, 0.3, 0.4), { temperature: 1 })).toBeCloseToTensor(
      [0.1, 0.2, 0.3, 0.4],
      tolerance,
    );
  });

  test("temperature sharpens or flattens", () => {
    const logits = logitsOf(0.2, 0.8);
    expect(shares(logits, { temperature: 0.5 })).toBeCloseToTensor([1 / 17, 16 / 17], tolerance);
    expect(shares(logits, { temperature: 2 })).toBeCloseToTensor([1 / 3, 2 / 3], tolerance);
  });

  test("topK keeps exactly the k largest, renormalised, the first of equals", () => {
    expect(shares(logitsOf(0.1, 0.3, 0.2, 0.4), { temperature: 1, topK: 2 })).toBeCloseToTensor(
      [0, 3 / 7, 0, 4 / 7],
      tolerance,
    );
    expect(shares([1, 3, 1, 1], { temperature: 1e6, topK: 3 })).toBeCloseToTensor(
      [1 / 3, 1 / 3, 1 / 3, 0],
      tolerance,
    );
    expect(shares([1, 3, 2, 4], { temperature: 5, topK: 1 })).toEqual([0, 0, 0, 1]);
    expect(shares([1, 1], { temperature: 1, topK: 9 })).toBeCloseToTensor([0.5, 0.5], tolerance);
  });

  test("topK finds the k largest of a big vocabulary, whatever their order", () => {
    const random = new Random(2);
    const size = 2000;
    for (const k of [1, 2, 7, 64, 1999]) {
      const logits = Float32Array.from({ length: size }, () => random.normal());
      const kept = new Set([...logits.keys()].sort((a, b) => logits[b]! - logits[a]!).slice(0, k));
      const sample = createTokenSampler({ temperature: 1e6, topK: k }, random);
      const seen = new Set(Array.from({ length: 20 * Math.min(k, 64) }, () => sample(logits)));
      expect([...seen].filter((id) => !kept.has(id))).toEqual([]);
      if (k <= 64) expect(seen.size).toBe(k);
    }
  });

  test("topP keeps the smallest set that reaches the probability", () => {
    const logits = logitsOf(0.125, 0.5, 0.125, 0.25);
    const kept = (topP: number) =>
      shares(logits, { temperature: 1, topP }).flatMap((share, id) => (share > 0 ? [id] : []));
    expect(kept(0.01)).toEqual([1]);
    expect(kept(0.49)).toEqual([1]);
    expect(kept(0.51)).toEqual([1, 3]);
    expect(kept(0.76)).toEqual([0, 1, 3]);
    expect(kept(0.9)).toEqual([0, 1, 2, 3]);
    expect(kept(1)).toEqual([0, 1, 2, 3]);
    expect(shares(logits, { temperature: 1, topP: 0.51 })).toBeCloseToTensor([0, 2 / 3, 0, 1 / 3], tolerance);
  });

  test("topP counts after topK, among what is left", () => {
    expect(shares(logitsOf(0.4, 0.3, 0.2, 0.1), { temperature: 1, topK: 2, topP: 0.56 })).toEqual([
      1, 0, 0, 0,
    ]);
  });

  test("is safe where logits are huge, masked, or the temperature is tiny", () => {
    expect(shares([3e38, -3e38, 3e38], { temperature: 1 })).toBeCloseToTensor([0.5, 0, 0.5], tolerance);
    expect(shares([-1e30, -Infinity, -1e30], { temperature: 1, topP: 0.9 })).toBeCloseToTensor(
      [0.5, 0, 0.5],
      tolerance,
    );
    expect(shares([1, 2, 1.5], { temperature: 1e-300 })).toEqual([0, 1, 0]);
  });

  test("repeats itself for the same seed", () => {
    const run = (seed: number) => {
      const sample = createTokenSampler({ temperature: 1, topK: 40, topP: 0.95 }, new Random(seed));
      return Array.from({ length: 20 }, () =>
        sample(Float32Array.from({ length: 50 }, (_, i) => Math.sin(i))),
      );
    };
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  test.each([
    [{ temperature: -1 }, "temperature: is -1, expected a number of at least 0"],
    [{ temperature: Number.NaN }, "temperature: is NaN"],
    [{ temperature: Infinity }, "temperature: is Infinity"],
    [{ temperature: 1, topK: 0 }, "top_k: is 0, expected an integer of at least 1"],
    [{ temperature: 1, topK: 2.5 }, "top_k: is 2.5"],
    [{ temperature: 1, topP: 0 }, "top_p: is 0, expected a number above 0 and up to 1"],
    [{ temperature: 0, topP: 1.1 }, "top_p: is 1.1"],
  ])("refuses %o", (options, message) => {
    const create = () => createTokenSampler(options, new Random(1));
    expect(create).toThrow(InputError);
    expect(create).toThrow(message);
  });

  test.each([0, 1])("does not hide broken logits at temperature %i", (temperature) => {
    const sample = createTokenSampler({ temperature }, new Random(1));
    expect(() => sample(Float32Array.of(1, Number.NaN, 2))).toThrow("the logit of token 1 is NaN");
    expect(() => sample(Float32Array.of(1, Infinity))).toThrow("the largest logit is Infinity");
    expect(() => sample(Float32Array.of(-Infinity, -Infinity))).toThrow("the largest logit is -Infinity");
    expect(() => sample(new Float32Array(0))).toThrow("the largest logit is undefined");
  });
});
