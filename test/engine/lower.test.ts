import { expect, test } from "vitest";
import {
  add,
  checkpoint,
  constant,
  customGradient,
  input,
  mul,
  scan,
  sum,
  Tensor,
  type Value,
} from "../../src/engine/index.js";
import { lower } from "../../src/engine/lower.js";
import { nodesOf } from "../../src/engine/value.js";

/** The ops of a graph, by name, without its inputs. */
const opsOf = (values: readonly Value[]): string[] =>
  nodesOf(lower(values))
    .map((node) => node.op.name)
    .filter((name) => name !== "input");

const x = input("f32", [3]);
const y = input("f32", [3]);

test("equal computations become one, and those built on them too", () => {
  const [a, b] = lower([sum(mul(x, y)), sum(mul(x, y))]);
  expect(a).toBe(b);
  expect(opsOf([add(mul(x, y), mul(x, y))])).toEqual(["mul", "add"]);
});

test("other inputs, another order, or other attributes make another computation", () => {
  expect(opsOf([mul(x, y), mul(y, x)])).toEqual(["mul", "mul"]);
  expect(opsOf([sum(x, [0], true), sum(x, [0])])).toEqual(["sum", "reshape"]);
  const matrix = input("f32", [3, 3]);
  expect(opsOf([sum(matrix, [0], true), sum(matrix, [1], true)])).toEqual(["sum", "sum"]);
});

test("constants are equal by dtype, shape and content", () => {
  const of = (tensor: Tensor) => constant(tensor);
  const [a, b, c, d, e] = lower([
    of(Tensor.f32([2], [1, 2])),
    of(Tensor.f32([2], [1, 2])),
    of(Tensor.f32([1, 2], [1, 2])),
    of(Tensor.f32([2], [1, 3])),
    of(Tensor.int64([2], [1, 2])),
  ]);
  expect(a).toBe(b);
  expect(new Set([a, c, d, e]).size).toBe(4);
});

test("zero and minus zero are different constants", () => {
  const [zero, negative] = lower([constant(Tensor.scalar(0)), constant(Tensor.scalar(-0))]);
  expect(zero).not.toBe(negative);
});

test("what only carried a gradient rule is gone", () => {
  expect(opsOf([customGradient(mul(x, y), [x], (g) => [g])])).toEqual(["mul"]);
});

test("the body of a checkpoint takes its place, and meets equal computations outside", () => {
  const inside = checkpoint(([v]) => add(mul(v!, y), 1), [x]);
  expect(opsOf([inside])).toEqual(["constant", "mul", "add"]);
  const [a, b] = lower([checkpoint(([v]) => mul(v!, y), [x]), mul(x, y)]);
  expect(a).toBe(b);
});

test("loops are told apart by their bodies", () => {
  const rows = input("f32", [5, 3]);
  const loop = (factor: number) =>
    scan({
      carry: [x],
      rows: [rows],
      body: ([s], [r]) => ({ carry: [add(mul(s!, factor), r!)], rows: [] }),
    }).carry[0]!;
  expect(opsOf([loop(2), loop(3)])).toEqual(["scan", "scan"]);
  const same = loop(2);
  expect(opsOf([mul(same, x), mul(same, x)])).toEqual(["scan", "mul"]);
});

test("a graph in which nothing is equal is left as it is", () => {
  const value = add(mul(x, y), x);
  expect(lower([value])[0]).toBe(value);
});
