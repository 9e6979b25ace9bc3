import { describe, expect, test } from "vitest";
import { matchText, normalizeAnswer, textMatches } from "../../src/evaluate/text-match.js";

/** The names of the ways in which an answer matches. */
const matching = (answer: string, expected: string) => {
  const matches = matchText(answer, expected);
  return textMatches.filter((name) => matches[name]);
};

test.each([
  ["Paris", "Paris", ["em", "qem", "pem", "pqem"]],
  ["  Paris\n", "Paris ", ["em", "qem", "pem", "pqem"]],
  ["Paris, in France", "Paris", ["pem", "pqem"]],
  ["The paris.", "Paris", ["qem", "pqem"]],
  ["the paris of the north", "Paris", ["pqem"]],
  ["It is Paris", "Paris", []],
  ["Pari", "Paris", []],
  ["", "Paris", []],
  ["B. the second", "B", ["pem", "pqem"]],
  ["b", "B", ["qem", "pqem"]],
  // Numbers: one form, and 50 does not begin with 5.
  ["05", "5", ["qem", "pqem"]],
  ["50", "5", ["pem"]],
])("%j is compared with %j", (answer, expected, names) => {
  expect(matching(answer, expected)).toEqual(names);
});

describe("normalizeAnswer gives what LightEval's helm_normalizer gives", () => {
  // The right sides are Python's.
  test.each([
    ["The  quick, brown fox!", "quick brown fox"],
    ["state-of-the-art", "state of art"],
    ["An apple a day", "apple day"],
    ["Theory and anathema", "theory and anathema"],
    ["aé thé", "aé thé"],
    ["3.5 007 1e3", "35.0 7.0 1000.0"],
    ["12345678901234567890", "1.2345678901234567e+19"],
    ["1e999 Infinity NaN", "inf inf nan"],
    ["$4,000", "4000.0"],
    ["line\nbreak\tand  tab", "line break and tab"],
    ["...", ""],
  ])("%j", (text, normalized) => {
    expect(normalizeAnswer(text)).toBe(normalized);
  });
});
