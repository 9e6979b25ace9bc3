import { InputError } from "../errors.js";
import type { Random } from "../random.js";
import { upTo } from "./sampler.js";

/** How a text of multi-query associative recall is put together. */
export interface MqarOptions {
  /** Tokens of the text, its beginning-of-sequence token included. */
  readonly length: number;
  /** Keys that are told with a value, each of them asked for once. */
  readonly pairs: number;
  /** What stands at the start: the beginning-of-sequence token, where the model wants one. */
  readonly start?: readonly number[];
}

/** Where a key is asked for. */
export interface MqarQuestion {
  /** Place of the key, after which the value is to be said; it does not stand there. */
  readonly after: number;
  readonly value: number;
  /** Tokens from the value, where it was told, to the key that asks for it. */
  readonly distance: number;
}

/** A text with the questions in it. */
export interface MqarText {
  readonly inputIds: readonly number[];
  readonly questions: readonly MqarQuestion[];
}

/**
 * Multi-query associative recall (Arora et al., Zoology, arXiv 2312.04927): keys with their values, then random words among
 * which each key comes once more. As there, the word after such a key is not the value, so an answer can only be known from
 * the start. The questions lie evenly over the rest of the text (a power of 1 in Zoology's terms), so that all distances are
 * measured; and no other word is a key, so that each question has one answer.
 *
 * @param words token ids to draw from.
 * @throws InputError when the text is too short for its pairs, or there are too few words.
 */
export function mqarText(random: Random, words: readonly number[], options: MqarOptions): MqarText {
  const { length, pairs, start = [] } = options;
  const slots = Math.floor((length - start.length - 2 * pairs) / 2);
  if (slots < pairs) {
    throw new InputError(
      "pairs",
      `is ${pairs}, which needs texts of ${4 * pairs + start.length} tokens, not ${length}; give fewer, or a longer max_length`,
    );
  }
  if (words.length <= 2 * pairs) {
    throw new InputError(
      "pairs",
      `is ${pairs}, which needs more than ${2 * pairs} words; this tokenizer has ${words.length}`,
    );
  }
  const drawn = random.shuffle([...words]);
  const [keys, values] = [drawn.slice(0, pairs), drawn.slice(pairs, 2 * pairs)];
  const others = drawn.slice(pairs);
  const told = keys.flatMap((key, i) => [key, values[i]!]);
  const inputIds = [...start, ...told];
  while (inputIds.length < length) inputIds.push(random.choice(others));
  const chosen = random.shuffle(upTo(slots)).slice(0, pairs);
  const questions = keys.map((key, i) => {
    const after = start.length + 2 * pairs + 2 * chosen[i]!;
    inputIds[after] = key;
    return { after, value: values[i]!, distance: after - (start.length + 2 * i + 1) };
  });
  return { inputIds, questions: questions.sort((a, b) => a.after - b.after) };
}
