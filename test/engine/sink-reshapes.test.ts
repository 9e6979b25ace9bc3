import { expect, test } from "vitest";
import {
  add,
  compile,
  input,
  l2norm,
  matmul,
  mul,
  reshape,
  rmsNorm,
  sigmoid,
  silu,
  softmax,
  sum,
  Tensor,
  transpose,
  type Value,
} from "../../src/engine/index.js";
import { lower } from "../../src/engine/lower.js";
import { nodesOf } from "../../src/engine/value.js";

/** The ops of a lowered graph, by name, without its inputs. */
const opsOf = (value: Value): string[] =>
  nodesOf(lower([value]))
    .map((node) => node.op.name)
    .filter((name) => name !== "input" && name !== "constant");

const x = input("f32", [2, 3, 4]);
const y = input("f32", [2, 3, 4]);
const weight = input("f32", [5, 4]);

test("reshapes around elementwise ops, norms and products of rows become one, or none", () => {
  const rows = reshape(x, [6, 4]);
  expect(opsOf(reshape(silu(rows), [2, 3, 4]))).toEqual(["silu"]);
  expect(opsOf(reshape(matmul(rows, weight, { transB: true }), [2, 3, 5]))).toEqual(["matmul"]);
  expect(opsOf(reshape(rmsNorm(rows, undefined, 1e-6), [2, 3, 4]))).toEqual(["rmsNorm"]);
  expect(opsOf(reshape(softmax(mul(rows, 2)), [3, 2, 4]))).toEqual(["mul", "softmax", "reshape"]);
  expect(opsOf(reshape(add(rows, reshape(y, [6, 4])), [24]))).toEqual(["add", "reshape"]);
});

test("a reshape stays before an op that tells the axes apart", () => {
  expect(opsOf(sum(reshape(x, [6, 4]), [0], true))).toEqual(["reshape", "sum"]);
  expect(opsOf(l2norm(reshape(x, [2, 12]), 1e-6))).toEqual(["reshape", "l2norm"]);
  expect(opsOf(matmul(reshape(x, [6, 4]), weight, { transA: false, transB: true }))).toEqual([
    "matmul",
    "reshape",
  ]);
  expect(opsOf(matmul(reshape(x, [4, 6]), input("f32", [4, 5]), { transA: true }))).toEqual([
    "reshape",
    "matmul",
  ]);
  // Here every row of x has a number of its own.
  expect(opsOf(add(reshape(x, [6, 4]), input("f32", [6, 1])))).toEqual(["reshape", "add"]);
  expect(opsOf(add(reshape(x, [6, 4]), reshape(input("f32", [4, 6]), [6, 4])))).toEqual([
    "reshape",
    "reshape",
    "add",
  ]);
});

test("what moved is computed once for all who read it", () => {
  const a = sigmoid(reshape(x, [6, 4]));
  const b = sigmoid(reshape(x, [24]));
  expect(opsOf(add(reshape(a, [24]), b))).toEqual(["sigmoid", "add", "reshape"]);
});

test("the numbers are those of the graph as it was traced", async () => {
  const graph = await compile(
    ({ x, w }) => {
      const heads = reshape(
        silu(reshape(matmul(reshape(x, [6, 4]), w, { transB: true }), [2, 3, 4])),
        [2, 3, 2, 2],
      );
      return { y: reshape(mul(l2norm(heads, 1e-6), 3), [24]) };
    },
    { inputs: { x: { dtype: "f32", shape: [2, 3, 4] }, w: { dtype: "f32", shape: [4, 4] } } },
  );
  const [xs, ws] = [
    Array.from({ length: 24 }, (_, i) => Math.sin(i + 1)),
    Array.from({ length: 16 }, (_, i) => Math.cos(i)),
  ];
  const { y } = await graph.run({ x: Tensor.f32([2, 3, 4], xs), w: Tensor.f32([4, 4], ws) });
  await graph.release();
  const expected: number[] = [];
  for (let row = 0; row < 6; row++) {
    const z = Array.from({ length: 4 }, (_, o) => {
      let dot = 0;
      for (let i = 0; i < 4; i++) dot += xs[row * 4 + i]! * ws[o * 4 + i]!;
      return dot / (1 + Math.exp(-dot));
    });
    for (const [i, j] of [
      [0, 1],
      [2, 3],
    ] as const) {
      const length = Math.hypot(z[i]!, z[j]!);
      expected.push((3 * z[i]!) / length, (3 * z[j]!) / length);
    }
  }
  for (const [i, value] of expected.entries()) expect(y.f32[i]).toBeCloseTo(value, 5);
});

test("a reshape stays behind a transpose", () => {
  const turned = transpose(x, [1, 0, 2]);
  expect(opsOf(silu(reshape(turned, [6, 4])))).toEqual(["transpose", "reshape", "silu"]);
});
