import { describe, expect, test } from "vitest";
import { collate, lengthBuckets } from "../../src/data/collate.js";
import type { Tensor } from "../../src/engine/tensor.js";

const rows = (tensor: Tensor): number[][] => {
  const [height, width] = tensor.shape as [number, number];
  const values = Array.from(tensor.data, Number);
  return Array.from({ length: height }, (_, i) => values.slice(i * width, (i + 1) * width));
};
const learnt = (...inputIds: number[]) => ({ inputIds, labels: inputIds });

describe("collate", () => {
  const options = { batchSize: 2, buckets: [4, 6], paddingSide: "right" } as const;

  test("pads on the right to the smallest bucket", () => {
    const batch = collate([learnt(5, 6, 7), learnt(8, 9)], options);
    expect(rows(batch.inputIds)).toEqual([
      [5, 6, 7, 0],
      [8, 9, 0, 0],
    ]);
    expect(rows(batch.attentionMask)).toEqual([
      [1, 1, 1, 0],
      [1, 1, 0, 0],
    ]);
    expect(rows(batch.labels)).toEqual([
      [-100, 6, 7, -100],
      [-100, 9, -100, -100],
    ]);
    expect(batch.targets).toBe(3);
  });

  test("pads on the left without a label that only padding precedes", () => {
    const batch = collate([learnt(5, 6, 7, 8, 9), learnt(3, 4)], { ...options, paddingSide: "left" });
    expect(rows(batch.inputIds)).toEqual([
      [0, 5, 6, 7, 8, 9],
      [0, 0, 0, 0, 3, 4],
    ]);
    expect(rows(batch.attentionMask)[1]).toEqual([0, 0, 0, 0, 1, 1]);
    expect(rows(batch.labels)).toEqual([
      [-100, -100, 6, 7, 8, 9],
      [-100, -100, -100, -100, -100, 4],
    ]);
    expect(batch.targets).toBe(5);
  });

  test("keeps the shape of a small last batch with masked rows", () => {
    const batch = collate([learnt(5, 6)], options);
    expect(batch.inputIds.shape).toEqual([2, 4]);
    expect(rows(batch.attentionMask)[1]).toEqual([0, 0, 0, 0]);
    expect(rows(batch.labels)[1]).toEqual([-100, -100, -100, -100]);
    expect(batch.targets).toBe(1);
  });

  test("keeps masked labels masked and does not count them", () => {
    const batch = collate([{ inputIds: [5, 6, 7, 8], labels: [-100, -100, 7, 8] }], options);
    expect(rows(batch.labels)[0]).toEqual([-100, -100, 7, 8]);
    expect(batch.targets).toBe(2);
  });

  test("refuses what does not fit", () => {
    expect(() => collate([learnt(1, 2, 3, 4, 5, 6, 7)], options)).toThrow(RangeError);
    expect(() => collate([learnt(1, 2), learnt(1, 2), learnt(1, 2)], options)).toThrow(
      "3 examples of up to 2 tokens do not fit 2 rows of 6",
    );
  });
});

describe("lengthBuckets", () => {
  test.each([
    [40, [40]],
    [64, [64]],
    [256, [64, 128, 192, 256]],
    [300, [64, 128, 192, 256, 300]],
    [1024, [64, 128, 192, 256, 384, 512, 768, 1024]],
  ])("up to %i are few and end with it", (maxLength, buckets) => {
    expect(lengthBuckets(maxLength)).toEqual(buckets);
  });
});
