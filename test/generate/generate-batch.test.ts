import { expect, test } from "vitest";
import { generateBatch } from "../../src/generate/generate-batch.js";
import { createTokenSampler } from "../../src/generate/sampling.js";
import { Random } from "../../src/random.js";

const greedy = createTokenSampler({ temperature: 0 }, new Random(0));

/** Says one more than the last token that a row has read; 9 is the highest. */
function counter() {
  const calls: (readonly (readonly number[])[])[] = [];
  const read = async (rows: readonly (readonly number[])[]) => {
    calls.push(rows);
    return rows.map((row) =>
      row.length === 0
        ? undefined
        : Float32Array.from({ length: 10 }, (_, id) => Number(id === (row.at(-1)! + 1) % 10)),
    );
  };
  return { read, calls };
}

test("rows go on by themselves, and one that has ended reads nothing more", async () => {
  const reader = counter();
  const options = { maxNewTokens: 4, stopIds: [9] };
  expect(await generateBatch(reader, [[1, 2], [7], []], greedy, options)).toEqual([[3, 4, 5, 6], [8], []]);
  expect(reader.calls).toEqual([
    [[1, 2], [7], []],
    [[3], [8], []],
    [[4], [], []],
    [[5], [], []],
  ]);
});

test("a row that is complete ends, and so does the work", async () => {
  const reader = counter();
  const isComplete = (row: number, ids: readonly number[]) => row === 0 && ids.length === 2;
  const options = { maxNewTokens: 40, stopIds: [9], isComplete };
  expect(await generateBatch(reader, [[0], [6]], greedy, options)).toEqual([
    [1, 2],
    [7, 8],
  ]);
  expect(reader.calls).toHaveLength(3);
});
