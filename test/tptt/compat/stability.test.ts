import { expect, test } from "vitest";
import { gradients, mul, sum, type Value } from "../../../src/engine/index.js";
import { ensureStability, softClamp } from "../../../src/tptt/compat/stability.js";
import python from "../../fixtures/tptt/modules.json" with { type: "json" };
import { centralDifferences, evaluate, expectClose, tensorOf } from "../memory/run.js";

const matrix = (python.x as number[][][])[0]!.map((row) => row.map((x) => 3 * x));

/** A function of x and the gradient of a weighted sum of it. */
async function withGradient(fn: (x: Value) => Value, x: number[], weights: number[]) {
  return evaluate(
    ({ x, weights }) => {
      const y = fn(x);
      return { y, gx: gradients(sum(mul(y, weights)), [x])[0]! };
    },
    { x: tensorOf(x), weights: tensorOf(weights) },
  );
}

test("softClamp is Python's", async () => {
  for (const { limits, y } of python.softClamp) {
    const found = await evaluate(({ x }) => ({ y: softClamp(x, ...(limits as [number?, number?])) }), {
      x: tensorOf(matrix),
    });
    expectClose(found.y, y, 1e-6);
  }
});

test("softClamp has a gradient on both sides of its limits", async () => {
  const [x, weights] = [
    [-4, -1, 0.3, 1.9, 2.5, 5],
    [1, 2, -1, 0.5, 3, 2],
  ];
  const { gx } = await withGradient((x) => softClamp(x, -1, 2), x, weights);
  const loss = (x: number[]) =>
    x.reduce((sum, x, i) => sum + weights[i]! * (1.5 * Math.tanh((x - 0.5) / 1.5) + 0.5), 0);
  expectClose(gx, centralDifferences(x, loss));
  expect(Math.min(...gx.f32.map(Math.abs))).toBeGreaterThan(0);
});

test("ensureStability is Python's: limits, and their middle for NaN", async () => {
  const x = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -7, 0.25, 3];
  const { y, gx } = await withGradient((x) => ensureStability(x, -2, 3), x, [1, 2, 3, 4, 5, 6]);
  expect([...y.f32]).toEqual(python.ensureStability);
  // A gradient flows where x is between the limits, or on one.
  expect([...gx.f32]).toEqual([0, 0, 0, 0, 5, 6]);
});
