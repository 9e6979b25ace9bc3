import { InputError } from "../errors.js";
import type { DataRecord } from "./dataset.js";
import { ignoreIndex } from "./ignore-index.js";
import { alpacaPrompt } from "./prompt.js";

/** What this layer asks of a tokenizer. */
export interface TokenizerLike {
  /** Token ids of a text, the beginning-of-sequence token included where the model wants it. */
  encode(text: string): number[];
  readonly bosId?: number | undefined;
  readonly eosId?: number | undefined;
}

/** One sequence to learn: both arrays have its length, and a label stands at its own token's place (not shifted). */
export interface Example {
  readonly inputIds: readonly number[];
  readonly labels: readonly number[];
}

/** How {@link tokenizeDataset} makes examples. */
export interface TokenizeOptions {
  /** Longest example, in tokens; what goes beyond is cut off. Documents are cut into windows of it instead. */
  readonly maxLength: number;
  /** Learn the completion alone, not the prompt. */
  readonly maskPrompt?: boolean;
}

/**
 * Turns records into examples. The end-of-sequence token follows every record, unless it was cut off before its end.
 * A record in which nothing is left to predict (a text of one token, a masked prompt that fills `maxLength`) gives no example.
 *
 * @throws InputError when `maxLength` is below 2, or no record gives an example.
 */
export function tokenizeDataset(
  records: readonly DataRecord[],
  tokenizer: TokenizerLike,
  { maxLength, maskPrompt = false }: TokenizeOptions,
): Example[] {
  if (!(Number.isInteger(maxLength) && maxLength >= 2)) {
    throw new InputError("max_length", `is ${maxLength}, expected an integer of at least 2`);
  }
  const examples = records
    .flatMap((record): Example[] => {
      if ("document" in record) {
        return windows(encodeWithEnd(tokenizer, record.document), tokenizer.bosId, maxLength).map(learnAll);
      }
      if ("text" in record) return [learnAll(encodeWithEnd(tokenizer, record.text).slice(0, maxLength))];
      const { prompt, completion } = alpacaPrompt(record);
      const inputIds = encodeWithEnd(tokenizer, prompt + completion).slice(0, maxLength);
      if (!maskPrompt) return [learnAll(inputIds)];
      const promptLength = commonPrefix(tokenizer.encode(prompt), inputIds);
      return [{ inputIds, labels: inputIds.map((id, t) => (t < promptLength ? ignoreIndex : id)) }];
    })
    .filter(({ labels }) => labels.some((label, t) => t > 0 && label !== ignoreIndex));
  if (examples.length === 0) {
    throw new InputError(
      "dataset",
      `leaves no token to predict in its ${records.length} records; give longer texts, or a longer max_length than the prompts`,
    );
  }
  return examples;
}

const learnAll = (inputIds: number[]): Example => ({ inputIds, labels: inputIds });

function encodeWithEnd(tokenizer: TokenizerLike, text: string): number[] {
  const ids = tokenizer.encode(text);
  if (tokenizer.eosId !== undefined && ids.at(-1) !== tokenizer.eosId) ids.push(tokenizer.eosId);
  return ids;
}

/**
 * Windows of at most `length` tokens that predict every token of a document exactly once: a window's first token is
 * only there to predict from, so it is the beginning-of-sequence token, or the last one of the window before.
 */
function windows(ids: readonly number[], bosId: number | undefined, length: number): number[][] {
  const startsWithBos = ids[0] === bosId;
  const result: number[][] = [];
  for (let start = 1; start < ids.length; start += length - 1) {
    const first = startsWithBos ? ids[0]! : ids[start - 1]!;
    result.push([first, ...ids.slice(start, start + length - 1)]);
  }
  return result;
}

/** How many tokens of the whole belong to the prompt alone: a token that reaches over its end is already the answer's. */
function commonPrefix(prompt: readonly number[], whole: readonly number[]): number {
  const differs = prompt.findIndex((id, t) => id !== whole[t]);
  return differs < 0 ? prompt.length : differs;
}
