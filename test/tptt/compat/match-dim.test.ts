import { expect, test } from "vitest";
import { gradients, mul, sum } from "../../../src/engine/index.js";
import { matchDim } from "../../../src/tptt/compat/match-dim.js";
import python from "../../fixtures/tptt/modules.json" with { type: "json" };
import { centralDifferences, evaluate, expectClose, flatten, shapeOf, tensorOf } from "../memory/run.js";

const matrix = (python.x as number[][][])[0]!.map((row) => row.map((x) => 3 * x));

test.each(python.matchDim.map(({ dim, size, y }) => [dim, size, y] as const))(
  "axis %i at size %i is Python's",
  async (dim, size, y) => {
    const found = await evaluate(({ x }) => ({ y: matchDim(x, dim, size) }), { x: tensorOf(matrix) });
    expect(found.y.shape).toEqual(shapeOf(y));
    expectClose(found.y, y, 1e-6);
  },
);

test("an axis between others is interpolated in its place, with its gradient", async () => {
  const x = [matrix.slice(0, 2), matrix.slice(2, 4)];
  const g = [0, 1].map((b) => [0, 1, 2].map((i) => matrix[b + i]!.map((v) => v - b)));
  const { y, gx } = await evaluate(
    ({ x, g }) => {
      const y = matchDim(x, 1, 3);
      return { y, gx: gradients(sum(mul(y, g)), [x])[0]! };
    },
    { x: tensorOf(x), g: tensorOf(g) },
  );
  const wide = (x: number[][][]) => x.map(([a, b]) => [a!, a!.map((v, i) => (v + b![i]!) / 2), b!]);
  expectClose(y, wide(x));
  const loss = (x: number[][][]) => {
    const weights = flatten(g);
    return flatten(wide(x)).reduce((sum, value, i) => sum + value * weights[i]!, 0);
  };
  expectClose(gx, centralDifferences(x, loss));
});
