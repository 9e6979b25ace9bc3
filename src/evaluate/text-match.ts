/** The ways in which a generated answer is compared with the right one, by the names of LightEval. */
export const textMatches = ["em", "qem", "pem", "pqem"] as const;
/** One of {@link textMatches}. */
export type TextMatch = (typeof textMatches)[number];

/**
 * Compares a generated answer with the right one as LightEval's `ExactMatches` does, whose scores the paper gives
 * (arXiv 2506.17671): exact match (`em`) and its partial form, where the answer only has to begin with the right one
 * (`pem`), both without the space around; quasi-exact match (`qem`) and its partial form (`pqem`), both after
 * {@link normalizeAnswer}. An empty answer never matches.
 */
export function matchText(answer: string, expected: string): Record<TextMatch, boolean> {
  if (answer === "") return { em: false, qem: false, pem: false, pqem: false };
  const [given, wanted] = [answer.trim(), expected.trim()];
  const [quasiGiven, quasiWanted] = [normalizeAnswer(answer), normalizeAnswer(expected)];
  return {
    em: given === wanted,
    qem: quasiGiven === quasiWanted,
    pem: given.startsWith(wanted),
    pqem: quasiGiven.startsWith(quasiWanted),
  };
}

const punctuation = /[!-/:-@[-`{-~]/g;
/** Not `\b`, which only knows the letters of ASCII. */
const articles = /(?<![\p{L}\p{N}_])(?:an?|the)(?![\p{L}\p{N}_])/gu;
const number = /^\s*(?:\d+(?:e\d+)?|nan|inf|infinity)\s*$/;

/**
 * HELM's normalisation of answers, in LightEval `helm_normalizer`: lower case, without ASCII punctuation and the articles
 * a, an, the; numbers in one form; words with one space between them. A hyphen parts words. Punctuation goes before
 * numbers are looked for, as there: 3.5 becomes 35.0.
 */
export function normalizeAnswer(text: string): string {
  return text
    .split(/ |-/)
    .map((word) => sameNumber(word.toLowerCase().replace(punctuation, "")).replace(articles, " "))
    .flatMap((word) => word.split(/\s+/))
    .filter((word) => word !== "")
    .join(" ");
}

/** A number as Python writes a float: 7 and 007 are `7.0`. */
function sameNumber(word: string): string {
  if (!number.test(word)) return word;
  const name = word.trim();
  if (name.startsWith("inf")) return "inf";
  if (name === "nan") return name;
  const value = Number(name);
  if (value === Number.POSITIVE_INFINITY) return "inf";
  return value < 1e16 ? `${value}.0` : value.toExponential();
}
