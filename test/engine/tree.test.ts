import { expect, test } from "vitest";
import { leaves, mapTree } from "../../src/engine/tree.js";

const tree = { a: [1, 2], b: { c: 3, d: [] }, e: [{ f: 4 }] };
const isNumber = (x: unknown): x is number => typeof x === "number";

test("leaves come in order, from records and lists at any depth", () => {
  expect(leaves(tree, isNumber)).toEqual([1, 2, 3, 4]);
  expect(leaves(5, isNumber)).toEqual([5]);
});

test("mapping keeps the structure and meets the leaves in the same order", () => {
  const met: number[] = [];
  const mapped = mapTree<unknown>(tree, isNumber, (x: number) => {
    met.push(x);
    return `${x}`;
  });
  expect(mapped).toEqual({ a: ["1", "2"], b: { c: "3", d: [] }, e: [{ f: "4" }] });
  expect(met).toEqual(leaves(tree, isNumber));
});
