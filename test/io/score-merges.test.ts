import { expect, test } from "vitest";
import { ScoreMerges } from "../../src/io/score-merges.js";
import { Random } from "../../src/random.js";
import { gemma } from "./vocabularies.js";

/** The merges of tokens, given in the order of their scores, of which some cannot come out of merging. */
function mergesOf(tokens: readonly string[], apart: readonly string[] = []): ScoreMerges {
  const all = [...apart, ...tokens];
  const mergeable = tokens.map((_, i) => apart.length + i);
  return new ScoreMerges(all, new Map(all.map((token, id) => [token, id])), mergeable);
}

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
  expect(mergesOf(["abc", "ab", "bc", "a", "b", "c", "🙂"]).list()).toEqual([
    ["a", "bc"],
    ["ab", "c"],
    ["a", "b"],
    ["b", "c"],
  ]);
  expect(mergesOf([]).list()).toEqual([]);
});

test("the merges of a trained and of a random vocabulary are those of a plain search", () => {
  const random = new Random(1);
  const word = () =>
    Array.from({ length: 1 + random.below(7) }, () => random.choice(["a", "b", "▁", "é", "𝔹"])).join("");
  const randomWords = [...new Set(Array.from({ length: 5000 }, word))];
  for (const tokens of [gemma.metadata["tokenizer.ggml.tokens"] as string[], randomWords]) {
    expect(plainly(tokens).length).toBeGreaterThan(200);
    const merges = mergesOf(tokens);
    const list = merges.list();
    expect(list).toEqual(plainly(tokens));
    const ranks = list.map((pair) => merges.get(JSON.stringify(pair))!);
    for (let i = 1; i < ranks.length; i++) expect(ranks[i]! > ranks[i - 1]!).toBe(true);
  }
});

test("what makes no token, or is made of what no merge gives, has no rank", () => {
  const merges = mergesOf(["ab", "a", "b", "<x>a"], ["<x>"]);
  const rank = (left: string, right: string) => merges.get(JSON.stringify([left, right]));
  expect(rank("a", "b")).toBeTypeOf("number");
  for (const [left, right] of [
    ["b", "a"],
    ["a", "c"],
    ["<x>", "a"],
  ] as const)
    expect(rank(left, right)).toBeUndefined();
});
