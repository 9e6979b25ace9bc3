import { expect, test } from "vitest";
import type { FactsText } from "../../src/data/facts.js";
import { Tensor } from "../../src/engine/index.js";
import { bandTexts, evaluateRecall, recallBands } from "../../src/evaluate/recall.js";
import type { ScoringModel } from "../../src/evaluate/token-scores.js";
import { Random } from "../../src/random.js";

/**
 * A model that gives a word's score wherever the word after it in the text is that one, 0 for all others. Its hidden states
 * are its logits.
 */
function model(vocab: number, scoreOf: (next: number) => number): ScoringModel & { shapes: unknown[] } {
  const shapes: (readonly number[])[] = [];
  return {
    shapes,
    async encode({ inputIds }) {
      shapes.push(inputIds.shape);
      const [batch, length] = inputIds.shape as [number, number];
      const logits = Tensor.zeros("f32", [batch, length, vocab]);
      for (let t = 0; t + 1 < batch * length; t++) {
        const next = Number(inputIds.data[t + 1]);
        logits.f32[t * vocab + next] = scoreOf(next);
      }
      return { lastHiddenState: logits };
    },
    async scoreTokens({ hidden, targets }) {
      const rows = Array.from({ length: targets.size }, (_, i) => {
        const scores = [...hidden.f32.subarray(i * vocab, (i + 1) * vocab)];
        const score = scores[Number(targets.data[i])]!;
        const sum = scores.reduce((total, other) => total + Math.exp(other), 0);
        return { logProb: score - Math.log(sum), greedy: Number(score === Math.max(...scores)) };
      });
      const column = (of: (row: (typeof rows)[number]) => number) => Tensor.f32([rows.length], rows.map(of));
      return { logProbs: column((row) => row.logProb), greedy: column((row) => row.greedy) };
    },
  };
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
  const reader = model(5, (next) => (next === 4 ? 60 : -2));
  const recall = await evaluateRecall(reader, texts, 2);
  expect(recall).toMatchObject({ matches: 2, total: 3, rate: 2 / 3 });
  expect(recall.loss).toBeCloseTo((2 + Math.log(4 + Math.exp(-2))) / 3, 6);
  expect(recall.interval[0]).toBeGreaterThan(0.2);
  expect(recall.interval[1]).toBeLessThan(0.95);
  expect(reader.shapes).toEqual([
    [2, 5],
    [2, 5],
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
