import { InputError } from "../errors.js";
import { type ChatTemplateLike, renderChat, type Span } from "./chat.js";
import { ignoreIndex } from "./ignore-index.js";
import { promptOf } from "./prompt.js";
import type { ChatRecord, DataRecord, DocumentRecord } from "./record.js";

/** What this layer asks of a tokenizer. */
export interface TokenizerLike {
  /** Token ids of a text, the beginning-of-sequence token included where the model wants it, unless it is not to be added. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  readonly bosId?: number | undefined;
  readonly eosId?: number | undefined;
  /** How the model wants conversations. */
  readonly chatTemplate?: ChatTemplateLike | undefined;
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
  /** Learn the completion alone, not the prompt. Of a conversation the assistant's turns alone are always learnt. */
  readonly maskPrompt?: boolean;
}

/**
 * Turns records into examples. The end-of-sequence token follows every record but a conversation, whose ends its template
 * writes, unless it was cut off before its end. A record in which nothing is left to predict (a text of one token, a
 * masked prompt that fills `maxLength`) gives no example.
 *
 * @throws InputError when `maxLength` is below 2, no record gives an example, or there is no template for a conversation.
 */
export function tokenizeDataset(
  records: readonly DataRecord[],
  tokenizer: TokenizerLike,
  options: TokenizeOptions,
): Example[] {
  checkMaxLength(options.maxLength);
  const examples = records.flatMap((record) => examplesOf(record, tokenizer, options)).filter(hasTargets);
  if (examples.length === 0) throw nothingToPredict(records.length);
  return examples;
}

/** @throws InputError when an example could have nothing to predict at all. */
export function checkMaxLength(maxLength: number): void {
  if (Number.isInteger(maxLength) && maxLength >= 2) return;
  throw new InputError("max_length", `is ${maxLength}, expected an integer of at least 2`);
}

/** The error of data that teach nothing. */
export const nothingToPredict = (count: number): InputError =>
  new InputError(
    "dataset",
    `leaves no token to predict in its ${count} records; give longer texts, or a longer max_length than the prompts`,
  );

/** Whether anything of an example is predicted. */
export const hasTargets = ({ labels }: Example): boolean =>
  labels.some((label, t) => t > 0 && label !== ignoreIndex);

/** The examples that a record makes: one, or the windows of a document. */
export function examplesOf(
  record: DataRecord,
  tokenizer: TokenizerLike,
  { maxLength, maskPrompt = false }: TokenizeOptions,
): Example[] {
  if ("document" in record) {
    return windows(encodeDocument(record, tokenizer), tokenizer.bosId, maxLength).map(learnAll);
  }
  const { inputIds, labels } = encodeRecord(record, tokenizer, maskPrompt);
  return [{ inputIds: inputIds.slice(0, maxLength), labels: labels.slice(0, maxLength) }];
}

/** How many windows a document has. */
export const windowCount = (record: DocumentRecord, tokenizer: TokenizerLike, maxLength: number): number =>
  Math.ceil((encodeDocument(record, tokenizer).length - 1) / (maxLength - 1));

/** A record as one example, whatever its length. */
export function encodeRecord(record: DataRecord, tokenizer: TokenizerLike, maskPrompt: boolean): Example {
  if ("document" in record) return learnAll(encodeDocument(record, tokenizer));
  if ("messages" in record) return encodeChat(record, tokenizer);
  if ("text" in record) return learnAll(encodeWithEnd(tokenizer, record.text));
  const { prompt, completion } = promptOf(record);
  const inputIds = encodeWithEnd(tokenizer, prompt + completion);
  if (!maskPrompt) return learnAll(inputIds);
  const promptLength = commonPrefix(tokenizer.encode(prompt), inputIds);
  return { inputIds, labels: inputIds.map((id, t) => (t < promptLength ? ignoreIndex : id)) };
}

const learnAll = (inputIds: number[]): Example => ({ inputIds, labels: inputIds });

function encodeDocument({ document, continues }: DocumentRecord, tokenizer: TokenizerLike): number[] {
  return continues ? tokenizer.encode(document) : encodeWithEnd(tokenizer, document);
}

function encodeWithEnd(tokenizer: TokenizerLike, text: string): number[] {
  const ids = tokenizer.encode(text);
  if (tokenizer.eosId !== undefined && ids.at(-1) !== tokenizer.eosId) ids.push(tokenizer.eosId);
  return ids;
}

function encodeChat({ messages }: ChatRecord, tokenizer: TokenizerLike): Example {
  if (tokenizer.chatTemplate === undefined) {
    throw new InputError(
      "chat_template",
      "is not in the model's tokenizer_config.json, and conversations need one; give a Jinja file",
    );
  }
  const { text, answers } = renderChat(messages, tokenizer.chatTemplate);
  // The template writes the special tokens itself.
  const encode = (part: string) => tokenizer.encode(part, { addSpecialTokens: false });
  const inputIds = encode(text);
  const labels = inputIds.map(() => ignoreIndex);
  const tokensUpTo = (end: number) => commonPrefix(encode(text.slice(0, end)), inputIds);
  for (const [from, to] of answers.map((span): Span => [tokensUpTo(span[0]), tokensUpTo(span[1])])) {
    for (let t = from; t < to; t++) labels[t] = inputIds[t]!;
  }
  return { inputIds, labels };
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

/**
 * The tokens of a prompt with its continuation, and how many of them are the prompt's: a token that reaches over its end is
 * already the continuation's.
 */
export function encodeContinuation(
  prompt: string,
  continuation: string,
  tokenizer: TokenizerLike,
): { readonly inputIds: number[]; readonly promptLength: number } {
  const inputIds = tokenizer.encode(prompt + continuation);
  return { inputIds, promptLength: commonPrefix(tokenizer.encode(prompt), inputIds) };
}

/** How many tokens of the whole belong to the prompt alone: a token that reaches over its end is already the answer's. */
function commonPrefix(prompt: readonly number[], whole: readonly number[]): number {
  const differs = prompt.findIndex((id, t) => id !== whole[t]);
  return differs < 0 ? prompt.length : differs;
}
