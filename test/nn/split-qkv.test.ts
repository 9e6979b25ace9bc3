import { expect, test } from "vitest";
import { Parameter } from "../../src/engine/index.js";
import { type FusedHeads, splitQkv } from "../../src/nn/split-qkv.js";
import { evaluate, tensorOf } from "../tptt/memory/run.js";

test("queries, keys and values lie behind each other, heads counted by the layer", async () => {
  const heads = { numHeads: 3, numKeyValueHeads: 1, headDim: 2 };
  const rows = [0, 1].map((t) => Array.from({ length: 10 }, (_, i) => 10 * t + i));
  const parts = await evaluate(({ qkv }) => ({ ...splitQkv(heads, qkv) }), { qkv: tensorOf([rows]) });
  expect(parts.q.shape).toEqual([1, 2, 6]);
  expect([...parts.q.f32]).toEqual([0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]);
  expect([...parts.k.f32]).toEqual([6, 7, 16, 17]);
  expect([...parts.v.f32]).toEqual([8, 9, 18, 19]);
});

test.each([
  [{ numHeads: 3, numKeyValueHeads: 1 }, "splitQkv: headDim: is undefined, expected a positive integer"],
  [
    { numHeads: 2, numKeyValueHeads: 1, headDim: 2 },
    "splitQkv: got 10 features, expected 4 + 2 + 2 for 2 heads",
  ],
])("%j is refused", (heads, message) => {
  expect(() => splitQkv(heads as FusedHeads, new Parameter("f32", [1, 2, 10]))).toThrow(message);
});
