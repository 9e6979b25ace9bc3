import { describe, expect, test } from "vitest";
import { compile } from "../../../src/engine/index.js";
import type { Random } from "../../../src/random.js";
import { deltaRule } from "../../../src/tptt/memory/delta-rule.js";
import { type Problem, reference, type Sample, sample, tensors } from "./delta-rule-samples.js";
import type { Matrix } from "./reference.js";
import { evaluate, expectClose, tensorOf } from "./run.js";

async function check(problem: Problem, chunk: number, period?: number): Promise<void> {
  const inputs = sample(problem);
  const expected = reference(inputs, period);
  const actual = await evaluate(
    (x) => deltaRule(x, chunk, period === undefined ? undefined : { period }),
    tensors(inputs),
  );
  expectClose(actual.output, expected.output, 1e-5, "output");
  expectClose(actual.state, expected.state, 1e-5, "state");
}

const chunks = [1, 8, 16, 32, 64, 128];
const uniform = (random: Random) => random.uniform();

describe.each(chunks)("in chunks of %i tokens", (chunk) => {
  test.each([1, 2, 7, 63, 64, 65, 100, 127])("%i tokens", async (length) => {
    await check({ length }, chunk);
    await check({ length, alpha: uniform, order: 2 }, chunk);
  });

  test.each([1, 2, 3])("order %i", async (order) => {
    await check({ length: 130, order }, chunk);
    await check({ length: 130, order, alpha: uniform, initial: false }, chunk);
  });

  test.each([
    { period: 64, length: 200 },
    { period: 16, length: 50 },
    { period: 7, length: 25 },
    { period: 128, length: 128 },
    { period: 64, length: 40 },
  ])("a non-linear memory with a period of $period, $length tokens", async ({ period, length }) => {
    await check({ length }, chunk, period);
    await check({ length, order: 2, alpha: uniform }, chunk, period);
  });
});

describe("is as exact as float32 allows where keys are", () => {
  test.each(["random", "alike", "equal", "opposite"] as const)("%s", async (keys) => {
    for (const order of [1, 2, 3])
      await check({ batch: 1, length: 256, heads: 1, groups: 1, dim: 48, order, keys }, 128);
  });
});

describe("forget gates", () => {
  test.each([
    ["1e-3 at every token", () => 1e-3],
    ["1e-12 at every token", () => 1e-12],
    ["0 at every token", () => 0],
    ["near 1", (r: Random) => 1 - 1e-4 * r.uniform()],
    ["near 1, now and then 1e-12", (r: Random) => (r.uniform() < 0.05 ? 1e-12 : 1 - 1e-3 * r.uniform())],
    ["from 1e-6 to 1", (r: Random) => 10 ** (-6 * r.uniform())],
  ])("%s", async (_, alpha) => {
    for (const keys of ["random", "alike"] as const)
      for (const chunk of [1, 16, 128]) await check({ length: 140, alpha, keys, order: 2 }, chunk);
  });
});

test("heads of a group share its memory", async () => {
  for (const [heads, groups] of [
    [4, 1],
    [6, 2],
    [3, 3],
  ] as const) {
    await check({ length: 20, heads, groups, order: 2 }, 8);
    await check({ length: 20, heads, groups, alpha: uniform }, 8);
  }
});

test("a token with beta 0 and alpha 1 writes nothing and erases nothing", async () => {
  const inputs = sample({ length: 40, alpha: uniform, order: 2 });
  const gone = (t: number) => t < 5 || (t > 17 && t < 24) || t > 35;
  const silenced = {
    ...inputs,
    beta: inputs.beta.map((row) =>
      row.map((token, t) => (gone(t) ? token.map((x) => x.map(() => 0)) : token)),
    ),
    alpha: inputs.alpha!.map((row) =>
      row.map((token, t) => (gone(t) ? token.map((x) => x.map(() => 1)) : token)),
    ),
  };
  const kept = Object.fromEntries(
    Object.entries(inputs).map(([name, x]) => [
      name,
      name === "state" ? x : (x as Matrix[][]).map((row) => row.filter((_, t) => !gone(t))),
    ]),
  ) as unknown as Sample;
  const actual = await evaluate((x) => deltaRule(x, 16), tensors(silenced));
  expectClose(actual.state, reference(kept).state);
});

test("a sequence of 1 token and its continuation give the memory of both", async () => {
  const inputs = sample({ length: 2, alpha: uniform });
  const part = (from: number, to: number) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, x]) => [
        name,
        tensorOf(name === "state" ? x : (x as Matrix[][]).map((row) => row.slice(from, to))),
      ]),
    ) as ReturnType<typeof tensors>;
  const first = await evaluate((x) => deltaRule(x, 64), part(0, 1));
  const second = await evaluate((x) => deltaRule(x, 64), { ...part(1, 2), state: first.state });
  expectClose(second.state, reference(inputs).state);
});

describe("over 100,000 tokens the memory stays bounded where keys are", () => {
  const piece = 2500;
  test.each(["random", "alike", "opposite"] as const)("%s", async (keys) => {
    const draw = (seed: number) =>
      tensors(sample({ batch: 1, length: piece, heads: 1, groups: 1, dim: 8, keys, seed }));
    let { state, ...first } = draw(0);
    const step = await compile((x) => deltaRule(x, 64), {
      inputs: { ...first, state },
      threads: 1,
    });
    for (let seen = 0; seen < 100_000; seen += piece) {
      ({ state } = await step.run({ ...draw(seen), state }));
      expect(Math.max(...state.f32.map(Math.abs))).toBeLessThan(20);
    }
    await step.release();
  });
});
