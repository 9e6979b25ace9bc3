import { describe, expect, test } from "vitest";
import { Parameter } from "../../../src/engine/index.js";
import { truncateAttentionMask } from "../../../src/tptt/compat/attention-mask.js";
import python from "../../fixtures/tptt/modules.json" with { type: "json" };
import { evaluate, flatten, type Nested, shapeOf, tensorOf } from "../memory/run.js";

const length = 5;
const hidden = [Array.from({ length }, (_, t) => [t])];
const square = Array.from({ length }, (_, i) => Array.from({ length }, (_, j) => i * length + j));
const masks: Nested[] = [[Array<number>(length).fill(1)], [square], [[square]]];

describe("a sequence and its mask are cut to the last 3 tokens as in Python", () => {
  test.each(masks.map((mask, i) => [shapeOf(mask), mask, python.truncated[i]!] as const))(
    "mask %j",
    async (_, mask, [expectedHidden, expectedMask]) => {
      const found = await evaluate(
        ({ hidden, mask }) => {
          const [cut, cutMask] = truncateAttentionMask(hidden, mask, 3);
          return { cut, cutMask: cutMask! };
        },
        { hidden: tensorOf(hidden), mask: tensorOf(mask) },
      );
      expect(found.cutMask.shape).toEqual(shapeOf(expectedMask as Nested));
      expect([...found.cutMask.f32]).toEqual(flatten(expectedMask as Nested));
      expect([...found.cut.f32]).toEqual(flatten(expectedHidden as Nested));
    },
  );
});

test("what is short enough stays, a mask of another shape is refused", () => {
  const [x, mask] = [new Parameter("f32", [1, 5, 2]), new Parameter("f32", [1, 3, 5, 5])];
  expect(truncateAttentionMask(x, mask, 5)).toEqual([x, mask]);
  expect(truncateAttentionMask(x, undefined, 2)[1]).toBeUndefined();
  expect(() => truncateAttentionMask(x, mask, 2)).toThrow(
    "attention_mask: is [1,3,5,5], expected [B, S], [B, S, S] or [B, 1, S, S]",
  );
});
