import { expect, test } from "vitest";
import {
  checkpoint,
  compile,
  dropout,
  gradients,
  input,
  mul,
  sum,
  Tensor,
  type Value,
} from "../../../src/engine/index.js";
import { lower } from "../../../src/engine/lower.js";
import { nodesOf } from "../../../src/engine/value.js";
import { evaluate, normal } from "../evaluate.js";

const [rows, columns, seeds] = [200, 300, 8];

/** One mask [rows, columns] for each seed: 1 where an element was dropped. */
async function masks(rate: number): Promise<Float64Array[]> {
  const f = await compile(({ x, seed }) => ({ y: dropout(x, rate, seed) }), {
    inputs: { x: { dtype: "f32", shape: [rows, columns] }, seed: { dtype: "int32", shape: [] } },
    threads: 1,
  });
  const x = Tensor.f32([rows, columns], new Float32Array(rows * columns).fill(1));
  const found: Float64Array[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const { y } = await f.run({ x, seed: new Tensor("int32", [], Int32Array.of(seed)) });
    found.push(Float64Array.from(y.f32, (value) => (value === 0 ? 1 : 0)));
  }
  await f.release();
  return found;
}

/** The mean of products of standardised masks, in standard deviations: within 5 or so where they are independent. */
function dependence(rate: number, ...parts: ArrayLike<number>[]): number {
  const n = parts[0]!.length;
  let total = 0;
  for (let i = 0; i < n; i++)
    total += parts.reduce((product, part) => (product * (part[i]! - rate)) / Math.sqrt(rate * (1 - rate)), 1);
  return Math.abs(total / Math.sqrt(n));
}

test.each([0.05, 0.5, 0.9])("elements are dropped at a rate of %s, independently", async (rate) => {
  const found = await masks(rate);
  const shifted = (mask: Float64Array, by: number) => [...mask.subarray(by), ...mask.subarray(0, by)];
  for (const [s, mask] of found.entries()) {
    expect(dependence(rate, mask)).toBeLessThan(5);
    const [right, below] = [shifted(mask, 1), shifted(mask, columns)];
    expect(dependence(rate, mask, right)).toBeLessThan(5);
    expect(dependence(rate, mask, below)).toBeLessThan(5);
    expect(dependence(rate, mask, right, below, shifted(mask, columns + 1))).toBeLessThan(5);
    const next = found.slice(s + 1);
    for (const other of next) expect(dependence(rate, mask, other)).toBeLessThan(5);
    if (next.length > 1) expect(dependence(rate, mask, next[0]!, next[1]!)).toBeLessThan(5);
  }
  // No row and no column fares better than another: the variance of their counts is binomial.
  const counts = (size: number, of: (i: number) => number) => {
    const count = new Float64Array(size);
    for (const [i, dropped] of found[0]!.entries()) count[of(i)]! += dropped;
    const n = (rows * columns) / size;
    return count.reduce((sum, c) => sum + (c - n * rate) ** 2 / (n * rate * (1 - rate)), 0) / size;
  };
  expect(Math.abs(counts(rows, (i) => Math.floor(i / columns)) - 1)).toBeLessThan(0.5);
  expect(Math.abs(counts(columns, (i) => i % columns) - 1)).toBeLessThan(0.5);
});

test("the same seed gives the same mask in every graph, as int32 and as int64", async () => {
  const x = normal([3, 1, 7]);
  const at = async (seed: Tensor, scale: number) =>
    (await evaluate(({ x, seed }) => ({ y: dropout(mul(x, scale), 0.5, seed) }), { x, seed })).y;
  const first = await at(Tensor.int64([], [2 ** 31 - 1]), 1);
  const second = await at(new Tensor("int32", [], Int32Array.of(2 ** 31 - 1)), 2);
  expect([...second.data].map((v) => Number(v) / 2)).toEqual([...first.data]);
});

test("what is kept is divided by 1 - rate, and the gradient passes through the same mask", async () => {
  const x = normal([30, 5]);
  const { y, d } = await evaluate(
    ({ x, seed }) => {
      const y = dropout(x, 0.2, seed);
      return { y, d: gradients(sum(y), [x])[0]! };
    },
    { x, seed: Tensor.int64([], [9]) },
  );
  for (const [i, value] of [...x.data].entries()) {
    const kept = Number(d.data[i]) !== 0;
    expect(d.data[i]).toBeCloseTo(kept ? 1.25 : 0, 12);
    expect(y.data[i]).toBeCloseTo(kept ? Number(value) * 1.25 : 0, 12);
  }
});

test("a rate of zero leaves everything as it is; a rate outside [0, 1) is refused", () => {
  const [x, seed] = [input("f32", [3]), input("int64", [])];
  expect(dropout(x, 0, seed)).toBe(x);
  for (const rate of [1, -0.1, Number.NaN])
    expect(() => dropout(x, rate, seed)).toThrow(`dropout: expected a rate in [0, 1), got ${rate}`);
});

test("a checkpoint makes its mask again instead of keeping it", () => {
  const [x, seed] = [input("f32", [3, 4]), input("int32", [])];
  const masksIn = (recomputed: boolean) => {
    const body = (h: Value) => dropout(mul(h, h), 0.5, seed);
    const y = recomputed ? checkpoint(([h]) => body(h!), [x]) : body(x);
    const outputs = lower([sum(y), ...gradients(sum(mul(y, y)), [x])]);
    return nodesOf(outputs).filter(({ op }) => op.name === "greaterEqual").length;
  };
  expect(masksIn(false)).toBe(1);
  expect(masksIn(true)).toBe(2);
});
