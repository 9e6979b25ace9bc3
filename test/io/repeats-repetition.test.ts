import { expect, test } from "vitest";
import { preTokenizers } from "../../src/io/pre-tokenizers.js";
import { repeatsRepetition } from "../../src/io/repeats-repetition.js";

test.each([
  "(a+)+$",
  "(a*)*",
  "(?:a|a)*b",
  "(?:a|ab)+",
  "x(?<n>y(z+)?)+",
  "(a{2,})+",
  "((?:ab*))*",
  "(\\)a+)+",
  "(a+){2,}",
])("%s repeats a repetition or a choice", (pattern) => {
  expect(repeatsRepetition(pattern)).toBe(true);
});

test.each([
  "a+b*c",
  "(a|b)c+",
  "(?:\\r?\\n)+",
  "(?=(?:\\d{3})*\\b)",
  "([+*])+",
  "(\\+\\*)*",
  "(a+)?b",
  "(a+){3}",
  ".*\\.layers\\.\\d+\\.(?:q|v)_proj",
  "(",
  "[",
  ")+",
])("%s does not", (pattern) => {
  expect(repeatsRepetition(pattern)).toBe(false);
});

test("nor do the patterns of tokenizers that are known", () => {
  for (const { patterns } of Object.values(preTokenizers)) {
    for (const pattern of patterns) expect(repeatsRepetition(pattern), pattern).toBe(false);
  }
});
