import { describe, expect, test } from "vitest";
import { Tensor } from "../../../src/engine/index.js";
import { applyLinearAttentionMask } from "../../../src/tptt/memory/linear-attention-mask.js";
import { operatorTensor } from "./operator-fixture.js";
import { evaluate } from "./run.js";

const ones = Tensor.f32([2, 3, 2], Array(12).fill(1));
const masked = async (mask: Tensor, side?: "left" | "right") =>
  (await evaluate(({ mask, v }) => ({ y: applyLinearAttentionMask(mask, v, side) }), { mask, v: ones })).y;

describe.each(["left", "right"] as const)("with padding on the %s, Python's zeros", (side) => {
  test.each(["keep", "additive"] as const)("of a mask that says %s", async (name) => {
    const { f32 } = operatorTensor(`mask.${name}.${side}`);
    expect((await masked(operatorTensor(`mask.${name}`), side)).f32).toEqual(f32);
  });
});

test("a bool mask is one of 0 and 1, and axes of size 1 do not matter", async () => {
  const { data } = operatorTensor("mask.keep");
  const bool = new Tensor("bool", [2, 5, 1], Uint8Array.from(data as BigInt64Array, Number));
  expect((await masked(bool)).f32).toEqual(operatorTensor("mask.keep.right").f32);
});

test("one token may have a mask, which Python cannot read", async () => {
  const mask = Tensor.int64([2, 1], [0, 1]);
  const v = Tensor.f32([2, 1, 2], [1, 2, 3, 4]);
  const { y } = await evaluate(({ mask, v }) => ({ y: applyLinearAttentionMask(mask, v) }), { mask, v });
  expect([...y.f32]).toEqual([0, 0, 3, 4]);
});

test("a mask for other than tokens is refused", async () => {
  await expect(masked(Tensor.int64([2, 5, 5], Array(50).fill(1)))).rejects.toThrow(
    "attention_mask: has the shape [2,5,5], expected [B, S] or [B, 1, S, S]",
  );
});
