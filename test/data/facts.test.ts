import { expect, test } from "vitest";
import {
  answersExample,
  chanceRecall,
  type FactsOptions,
  factsText,
  factsTokenizerFiles,
  factsVocabulary,
} from "../../src/data/facts.js";
import { ignoreIndex } from "../../src/data/ignore-index.js";
import { Tokenizer } from "../../src/io/tokenizer.js";
import { Random } from "../../src/random.js";

const settings: FactsOptions[] = [
  { length: 128, near: 6, far: 47 },
  { length: 300, near: 100, far: 191 },
  { length: 96, near: 2, far: 44, factShare: 0.8, asks: 3, waiting: 8 },
];
const words = (options: FactsOptions, seed: number) => {
  const { inputIds, questions } = factsText(new Random(seed), options);
  return { words: inputIds.map((id) => factsVocabulary[id]!), questions };
};

test("no word stands twice in the vocabulary, and guessing finds one value in 32", () => {
  expect(new Set(factsVocabulary).size).toBe(factsVocabulary.length);
  expect(chanceRecall).toBe(1 / 32);
});

test("a seed fixes the text", () => {
  const text = (seed: number) => factsText(new Random(seed), settings[0]!);
  expect(text(3)).toEqual(text(3));
  expect(text(4).inputIds).not.toEqual(text(3).inputIds);
});

test.each(settings)("every answer is what was told, at the distance that is given: %o", (options) => {
  let asked = 0;
  for (let seed = 0; seed < 30; seed++) {
    const text = words(options, seed);
    expect(text.words).toHaveLength(options.length);
    for (const { position, distance } of text.questions) {
      const [mark, name, answer] = text.words.slice(position - 2, position + 1);
      const before = text.words.slice(0, position - 1);
      const told = before.lastIndexOf(name!) + 1;
      expect(mark).toBe("?");
      expect(text.words[told]).toBe(answer);
      expect(position - 1 - told).toBe(distance);
      expect(distance).toBeGreaterThanOrEqual(options.near);
      expect(distance).toBeLessThanOrEqual(options.far);
      asked++;
    }
    const marks = text.words.filter((word, at) => word === "?" && at + 2 < options.length);
    expect(text.questions).toHaveLength(marks.length);
  }
  expect(asked).toBeGreaterThan(100);
});

test.each([1, 3])("a name is told once, and asked for at most %i times", (asks) => {
  const { words: text } = words({ length: 3000, near: 2, far: 300, asks }, 1);
  const told = text.filter((word, at) => isName(word) && text[at - 1] !== "?");
  const asked = text.filter((word, at) => isName(word) && text[at - 1] === "?");
  expect(told).toHaveLength(24);
  expect(new Set(told).size).toBe(24);
  const counts = told.map((name) => asked.filter((other) => other === name).length);
  expect(Math.max(...counts)).toBe(asks);
});

const isName = (word: string | undefined): boolean => {
  const first = factsVocabulary.indexOf("anna");
  const at = factsVocabulary.indexOf(word!);
  return at >= first && at < first + 24;
};

test("an example of answers teaches nothing else", () => {
  const text = factsText(new Random(0), settings[0]!);
  const { inputIds, labels } = answersExample(text);
  expect(inputIds).toBe(text.inputIds);
  const learnt = [...labels.keys()].filter((t) => labels[t] !== ignoreIndex);
  expect(learnt).toEqual(text.questions.map(({ position }) => position));
  expect(learnt.every((t) => labels[t] === inputIds[t])).toBe(true);
});

test("the tokenizer reads a text back, word by word", () => {
  const tokenizer = new Tokenizer(factsTokenizerFiles(), "facts");
  const { inputIds } = factsText(new Random(0), settings[1]!);
  const text = tokenizer.decode(inputIds, { skipSpecialTokens: true });
  expect(text).toMatch(/^[a-z]+ [a-z]+ /);
  expect(tokenizer.encode(text)).toEqual(inputIds);
  expect(tokenizer.encode("anna moon plums")).toEqual(
    ["<s>", "anna", "<unk>", "<unk>"].map((word) => factsVocabulary.indexOf(word)),
  );
  expect(tokenizer.vocabSize).toBe(factsVocabulary.length);
});
