import { expect, test } from "vitest";
import {
  add,
  compile,
  constant,
  input,
  linear,
  mean,
  mul,
  reshape,
  rmsNorm,
  silu,
  softmax,
  Tensor,
  takeRows,
  transpose,
  type Value,
} from "../../src/engine/index.js";
import { nodesOf } from "../../src/engine/value.js";

const tensor = (...shape: number[]) => {
  const size = shape.reduce((a, b) => a * b);
  return Tensor.f32(
    shape,
    Array.from({ length: size }, (_, i) => Math.sin(3 * i + 1)),
  );
};
const rows = constant(Tensor.int64([2], [2, 3]));
const weight = constant(tensor(5, 4));
const bias = constant(tensor(5));
const layer = (x: Value) => rmsNorm(linear(silu(x), weight, bias), bias, 1e-6);

test.each<[string, (x: Value) => Value]>([
  ["products and norms", layer],
  ["a residual around rows in another shape", (x) => add(x, reshape(softmax(reshape(x, [6, 4])), [2, 3, 4]))],
  [
    "numbers for all rows, and one for each",
    (x) => mul(mul(x, 2), add(constant(tensor(1, 1, 4)), mean(x, [2], true))),
  ],
  ["numbers for the rows of a batch", (x) => silu(mul(x, constant(tensor(2, 1, 1))))],
  ["an axis across the rows", (x) => reshape(transpose(silu(x), [2, 0, 1]), [2, 3, 4])],
])("the rows that are taken are those of the whole: %s", async (_, fn) => {
  const f = await compile(({ x }) => ({ whole: fn(x), taken: takeRows(fn(x), rows, []) }), {
    inputs: { x: { dtype: "f32", shape: [2, 3, 4] } },
  });
  const { whole, taken } = await f.run({ x: tensor(2, 3, 4) });
  const n = whole.shape[2]!;
  expect(taken.shape).toEqual([2, n]);
  expect(taken).toBeCloseToTensor(whole.f32.subarray(2 * n, 4 * n), { atol: 1e-6, rtol: 1e-6 });
  await f.release();
});

test("other rows are computed up to what something else needs", () => {
  const x = input("f32", [2, 3, 4]);
  const needed = silu(x);
  const products = (value: Value) =>
    nodesOf([value]).flatMap(({ op, outputs }) => (op.name === "matmul" ? [outputs[0]!.shape] : []));
  expect(products(takeRows(layer(needed), rows, []))).toEqual([[2, 5]]);
  const taken = takeRows(layer(needed), rows, [needed]);
  expect(products(taken)).toEqual([[2, 5]]);
  expect(nodesOf([taken])).toContain(needed.node);
  const whole = layer(needed);
  expect(products(takeRows(whole, rows, [whole]))).toEqual([[6, 5]]);
});
