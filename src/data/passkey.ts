import type { Random } from "../random.js";
import type { TokenizerLike } from "./tokenize.js";

/** Where the needle lies, and in how long a text. */
export interface NeedleOptions {
  /** Tokens of the text at most, up to the answer. */
  readonly length: number;
  /** Where the needle is: 0 at the start, 1 right before the question. */
  readonly depth: number;
}

/** A text that ends in a question, with its answer. */
export interface NeedleText {
  /** The text, and the answer at its end. */
  readonly inputIds: readonly number[];
  /** How many tokens at the end are the answer. */
  readonly answerLength: number;
  /** Tokens from the end of the needle to the answer. */
  readonly distance: number;
}

const filler = [
  " The grass is green.",
  " The sky is blue.",
  " The sun is yellow.",
  " Here we go.",
  " There and back again.",
];

/**
 * A pass key in a long text without meaning (Mohtashami and Jaggi, Landmark Attention, arXiv 2305.16300), the usual needle in a
 * haystack: five digits that are told once, asked for at the end.
 */
export function passkeyText(
  random: Random,
  tokenizer: TokenizerLike,
  { length, depth }: NeedleOptions,
): NeedleText {
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const key = String(10_000 + random.below(90_000));
  const needle = encode(` The pass key is ${key}. Remember it. ${key} is the pass key.`);
  const question = encode(" What is the pass key? The pass key is");
  const answer = encode(` ${key}`);
  const sentences = filler.map(encode);
  const start = tokenizer.encode("");
  const haystack: (readonly number[])[] = [];
  let left = length - start.length - needle.length - question.length;
  for (let i = random.below(sentences.length); ; i++) {
    const sentence = sentences[i % sentences.length]!;
    left -= sentence.length;
    if (left < 0) break;
    haystack.push(sentence);
  }
  return needleAmong(haystack, { depth, start, needle, question, answer });
}

/** The parts of a text with a needle. */
export interface NeedleParts {
  readonly depth: number;
  readonly start: readonly number[];
  readonly needle: readonly number[];
  readonly question: readonly number[];
  readonly answer: readonly number[];
}

/** Puts the needle between the sentences of the haystack. */
export function needleAmong(haystack: readonly (readonly number[])[], parts: NeedleParts): NeedleText {
  const { depth, start, needle, question, answer } = parts;
  const at = Math.round(depth * haystack.length);
  const rest = haystack.slice(at).flat();
  return {
    inputIds: [...start, ...haystack.slice(0, at).flat(), ...needle, ...rest, ...question, ...answer],
    answerLength: answer.length,
    distance: rest.length + question.length,
  };
}
