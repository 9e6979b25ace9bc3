import { expect, test } from "vitest";
import { mqarText } from "../../src/data/mqar.js";
import { Random } from "../../src/random.js";

const words = Array.from({ length: 40 }, (_, i) => 100 + i);

test("every key is told with a value and asked for once, and nothing else tells the value", () => {
  for (let seed = 0; seed < 20; seed++) {
    const { inputIds, questions } = mqarText(new Random(seed), words, { length: 61, pairs: 8, start: [1] });
    expect(inputIds).toHaveLength(61);
    const told = new Map<number, number>();
    for (let i = 1; i < 17; i += 2) told.set(inputIds[i]!, inputIds[i + 1]!);
    expect(told.size).toBe(8);
    expect(new Set(questions.map(({ after }) => inputIds[after])).size).toBe(8);
    for (const { after, value, distance } of questions) {
      expect(told.get(inputIds[after]!)).toBe(value);
      expect(inputIds[after - distance]).toBe(value);
      expect(inputIds.filter((id) => id === inputIds[after])).toHaveLength(2);
    }
  }
});

test("questions lie evenly over the text", () => {
  const random = new Random(3);
  const places = Array.from(
    { length: 400 },
    () => mqarText(random, words, { length: 100, pairs: 2 }).questions,
  )
    .flat()
    .map(({ after }) => (after - 4) / 96);
  expect(places.reduce((a, b) => a + b, 0) / places.length).toBeCloseTo(0.5, 1);
  expect(places.filter((place) => place < 0.25).length / places.length).toBeCloseTo(0.25, 1);
});

test("too many pairs for the text or the words are refused", () => {
  expect(() => mqarText(new Random(0), words, { length: 30, pairs: 8 })).toThrow(
    "pairs: is 8, which needs texts of 32 tokens, not 30",
  );
  expect(() => mqarText(new Random(0), words, { length: 100, pairs: 20 })).toThrow(
    "pairs: is 20, which needs more than 40 words; this tokenizer has 40",
  );
});
