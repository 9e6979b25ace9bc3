import { describe, expect, test } from "vitest";
import { toDataset } from "../../src/data/dataset.js";
import { packByLength, packDataset } from "../../src/data/pack.js";
import { Random } from "../../src/random.js";

describe("packDataset", () => {
  const examples = [
    { inputIds: [1, 2, 3], labels: [1, 2, 3] },
    { inputIds: [4, 5], labels: [-100, 5] },
    { inputIds: [6, 7], labels: [6, -100] },
    { inputIds: [8, 9, 10, 11], labels: [-100, -100, 10, 11] },
  ];

  test("puts whole examples one after another, and predicts nothing from one to the next", async () => {
    const packed = await packDataset(toDataset(examples), 6);
    expect(packed.length).toBe(2);
    expect([...Array.from(packed.sizes)]).toEqual([6, 3]);
    expect(await packed.read([1, 0])).toEqual([
      { inputIds: [1, 2, 3], labels: [-100, 2, 3] },
      { inputIds: [8, 9, 10, 11, 4, 5], labels: [-100, -100, 10, 11, -100, 5] },
    ]);
  });

  test("names the examples of a sequence", async () => {
    const packed = await packDataset(toDataset(examples), 6);
    expect(await packed.whereOf!([1, 0])).toEqual(["example 0", "example 3 + example 1"]);
  });

  test("has a fingerprint of its own", async () => {
    const [six, seven] = [
      await packDataset(toDataset(examples), 6),
      await packDataset(toDataset(examples), 7),
    ];
    expect(six.fingerprint).toMatch(/^2 examples, [0-9a-f]{16}$/);
    expect(new Set([six.fingerprint, seven.fingerprint, toDataset(examples).fingerprint]).size).toBe(3);
  });
});

test("packs of random lengths hold each example once, are never too long, and are nearly full", () => {
  const random = new Random(5);
  const lengths = Uint32Array.from({ length: 3000 }, () => 2 + random.below(255));
  const packs = packByLength(lengths, 256);
  expect(packs.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
  const sums = packs.map((pack) => pack.reduce((sum, index) => sum + lengths[index]!, 0));
  expect(Math.max(...sums)).toBeLessThanOrEqual(256);
  expect(sums.reduce((a, b) => a + b, 0) / (256 * packs.length)).toBeGreaterThan(0.98);
});
