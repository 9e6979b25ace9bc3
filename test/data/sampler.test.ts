import { describe, expect, test } from "vitest";
import { LengthGroupedSampler, sortByLength, upTo } from "../../src/data/sampler.js";
import { Random } from "../../src/random.js";

const random = new Random(3);
const lengths = Array.from({ length: 1003 }, () => 1 + random.below(256));
const options = { lengths, batchSize: 4, seed: 42 };

const take = (sampler: LengthGroupedSampler, batches: number) =>
  Array.from({ length: batches }, () => sampler.next());

/** Share of a batch's rectangle that is padding, over all batches. */
const padding = (batches: number[][]) => {
  const sizes = batches.map((batch) => batch.map((i) => lengths[i]!));
  const area = sizes.reduce((sum, batch) => sum + Math.max(...batch) * batch.length, 0);
  return 1 - sizes.flat().reduce((sum, n) => sum + n, 0) / area;
};

describe("LengthGroupedSampler", () => {
  test("gives every example once in an epoch, in full batches but one", () => {
    const sampler = new LengthGroupedSampler(options);
    expect(sampler.batchesPerEpoch).toBe(251);
    const batches = take(sampler, 251);
    expect(batches.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
    expect(batches.filter((batch) => batch.length === 4)).toHaveLength(250);
    expect(sampler.position).toEqual({ epoch: 1, batch: 0 });
  });

  test("makes batches of like length: a tenth of the padding of a plain shuffle", () => {
    const grouped = padding(take(new LengthGroupedSampler(options), 251));
    const shuffled = new Random(1).shuffle([...lengths.keys()]);
    const plain = padding(Array.from({ length: 251 }, (_, i) => shuffled.slice(4 * i, 4 * i + 4)));
    expect(plain).toBeGreaterThan(0.3);
    expect(grouped).toBeLessThan(0.03);
  });

  test("does not go from long to short through the epoch", () => {
    const means = take(new LengthGroupedSampler(options), 250).map((batch) => lengths[batch[0]!]!);
    const half = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(Math.abs(half(means.slice(0, 125)) - half(means.slice(125)))).toBeLessThan(32);
  });

  test("orders and groups every epoch anew, the same for the same seed", () => {
    const sampler = new LengthGroupedSampler(options);
    const [first, second] = [take(sampler, 251), take(sampler, 251)];
    const together = (batches: number[][]) => batches.find((batch) => batch.includes(0))!.toSorted();
    expect(second).not.toEqual(first);
    expect(together(second)).not.toEqual(together(first));
    expect(take(new LengthGroupedSampler(options), 251)).toEqual(first);
    expect(take(new LengthGroupedSampler({ ...options, seed: 43 }), 251)).not.toEqual(first);
  });

  test.each([0, 1, 250, 251, 400])(
    "goes on from the position after %i batches as if it had never stopped",
    (taken) => {
      const sampler = new LengthGroupedSampler(options);
      take(sampler, taken);
      const position = JSON.parse(JSON.stringify(sampler.position));
      expect(take(new LengthGroupedSampler({ ...options, position }), 300)).toEqual(take(sampler, 300));
    },
  );

  test("refuses a position outside the epoch", () => {
    expect(() => new LengthGroupedSampler({ ...options, position: { epoch: 0, batch: 251 } })).toThrow(
      "data position: is batch 251, the epoch has 251; resume with the same data and batch size",
    );
  });
});

test("sortByLength sorts from the longest, equals in their order", () => {
  expect([...sortByLength(upTo(5), [3, 9, 3, 5, 9])]).toEqual([1, 4, 3, 0, 2]);
});
