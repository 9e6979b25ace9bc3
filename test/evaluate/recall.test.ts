import { expect, test } from "vitest";
import type { FactsText } from "../../src/data/facts.js";
import { Tensor } from "../../src/engine/index.js";
import { bandTexts, evaluateRecall, type LogitsModel, recallBands } from "../../src/evaluate/recall.js";
import { Random } from "../../src/random.js";

/** A model that gives a word's score wherever the word after it in the text is that one, 0 for all others. */
function model(vocab: number, scoreOf: (next: number) => number) {
  const shapes: (readonly number[])[] = [];
  const forward: LogitsModel["forward"] = async ({ inputIds }) => {
    shapes.push(inputIds.shape);
    const [batch, length] = inputIds.shape as [number, number];
    const logits = Tensor.zeros("f32", [batch, length, vocab]);
    for (let t = 0; t + 1 < batch * length; t++) {
      const next = Number(inputIds.data[t + 1]);
      logits.f32[t * vocab + next] = scoreOf(next);
    }
    return { logits };
  };
  return { forward, shapes };
}

const texts: FactsText[] = [
  { inputIds: [1, 2, 3, 4], questions: [{ position: 3, distance: 9 }] },
  {
    inputIds: [2, 3, 4, 2, 3],
    questions: [
      { position: 2, distance: 9 },
      { position: 4, distance: 9 },
    ],
  },
  { inputIds: [4, 4], questions: [] },
];

test("counts the answers that are the most likely words, and their loss", async () => {
  // A 4 is predicted with certainty, a 3 is the least likely word.
  const { forward, shapes } = model(5, (next) => (next === 4 ? 60 : -2));
  const recall = await evaluateRecall({ forward }, texts, 2);
  expect(recall).toMatchObject({ matches: 2, total: 3, rate: 2 / 3 });
  expect(recall.loss).toBeCloseTo((2 + Math.log(4 + Math.exp(-2))) / 3, 6);
  expect(recall.interval[0]).toBeGreaterThan(0.2);
  expect(recall.interval[1]).toBeLessThan(0.95);
  expect(shapes).toEqual([
    [2, 5],
    [2, 2],
  ]);
});

test("bands tell distances in windows, and their texts ask at no others", () => {
  const bands = recallBands(48);
  expect(bands.map(({ name }) => name)).toEqual(["inside", "1-2x", "2-4x", "4-5x", "8-10x", "16-19x"]);
  expect(bands[0]).toMatchObject({ near: 6, far: 47 });
  expect(bands[3]).toMatchObject({ near: 192, far: 239 });
  for (const band of bands) {
    const distances = bandTexts(new Random(1), band, 8).flatMap(({ questions }) =>
      questions.map(({ distance }) => distance),
    );
    expect(distances.length).toBeGreaterThan(30);
    expect(Math.min(...distances)).toBeGreaterThanOrEqual(band.near);
    expect(Math.max(...distances)).toBeLessThanOrEqual(band.far);
  }
});
