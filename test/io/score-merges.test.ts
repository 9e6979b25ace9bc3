import { expect, test } from "vitest";
import { mergesByScore } from "../../src/io/score-merges.js";
import { Random } from "../../src/random.js";
import { gemma } from "./vocabularies.js";

/** Every cut of every token, looked up one by one. */
function plainly(tokens: readonly string[]): [string, string][] {
  const known = new Set(tokens);
  return tokens.flatMap((token) =>
    Array.from({ length: token.length }, (_, i): [string, string] => [
      token.slice(0, i),
      token.slice(i),
    ]).filter(([left, right]) => known.has(left) && known.has(right)),
  );
}

test("a token merges from every two tokens that it consists of, in the order of the tokens", () => {
  expect(mergesByScore(["abc", "ab", "bc", "a", "b", "c", "🙂"])).toEqual([
    ["a", "bc"],
    ["ab", "c"],
    ["a", "b"],
    ["b", "c"],
  ]);
  expect(mergesByScore([])).toEqual([]);
});

test("the merges of a trained and of a random vocabulary are those of a plain search", () => {
  const random = new Random(1);
  const word = () =>
    Array.from({ length: 1 + random.below(7) }, () => random.choice(["a", "b", "▁", "é", "𝔹"])).join("");
  const randomWords = [...new Set(Array.from({ length: 5000 }, word))];
  for (const tokens of [gemma.metadata["tokenizer.ggml.tokens"] as string[], randomWords]) {
    expect(plainly(tokens).length).toBeGreaterThan(200);
    expect(mergesByScore(tokens)).toEqual(plainly(tokens));
  }
});
