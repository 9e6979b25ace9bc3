import { stops } from "#time-limit";
import { InputError } from "../errors.js";
import { isObject, type JsonObject } from "./json-file.js";
import { shown } from "./json-text.js";
import { preTokenizers } from "./pre-tokenizers.js";
import { repeatsRepetition } from "./repeats-repetition.js";

/*
 * What the tokenizers library believes of a tokenizer.json, and is checked here: ids, which become places in a list, and
 * rules that make texts longer or take long.
 */

/** So many ids may be left out of a vocabulary, and as many as it has tokens. */
const gaps = 65_536;

/** The steps of a normalizer together make a text at most so many times as long; real ones keep it or double it. */
const mostGrowth = 1000;

/** Characters that a word may have to be cut into pieces, which takes time with their square. */
const longestWord = 1000;

/** Patterns that take no longer than in proportion to a text. */
const known = new Set(Object.values(preTokenizers).flatMap(({ patterns }) => patterns));

/**
 * Checks the parts of a tokenizer.json.
 *
 * @param where the file, for errors. @param apart how many tokens are not in it but known otherwise, by their places.
 * @returns whether it has patterns that may take any time.
 * @throws InputError naming the field that is wrong.
 */
export function checkTokenizer(json: JsonObject, where: string, apart = 0): { readonly mayHang: boolean } {
  const model = isObject(json.model) ? json.model : {};
  checkIds(model.vocab, json.added_tokens, apart, where);
  const { max_input_chars_per_word: longest = 100 } = model;
  if (!(typeof longest === "number" && longest <= longestWord)) {
    throw new InputError(
      `${where}: model.max_input_chars_per_word`,
      `is ${shown(longest)}, expected a number up to ${longestWord}`,
    );
  }
  const parts = ["normalizer", "pre_tokenizer", "decoder"] as const;
  for (const part of parts) checkGrowth(json[part], `${where}: ${part}`);
  const patterns = parts.flatMap((part) => patternsIn(json[part])).filter((pattern) => !known.has(pattern));
  const endless = patterns.find(repeatsRepetition);
  if (!stops && endless !== undefined) {
    throw new InputError(
      where,
      `has the pattern ${shown(endless)}, a repetition in a repetition, which a browser cannot stop; use the model in Node`,
    );
  }
  return { mayHang: patterns.length > 0 };
}

/** Ids are whole numbers, and not far more than there are tokens: every one below the largest takes its place. */
function checkIds(vocab: unknown, added: unknown, apart: number, where: string): void {
  const ofVocabulary = isObject(vocab) ? Object.entries(vocab) : [];
  const ofAdded = (added as readonly { id: number; content: string }[]).map(
    ({ content, id }) => [content, id] as const,
  );
  const tokens = Array.isArray(vocab) ? vocab.length : ofVocabulary.length;
  const end = 2 * (apart + tokens + ofAdded.length) + gaps;
  for (const [token, id] of [...ofVocabulary, ...ofAdded]) {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < end) continue;
    throw new InputError(
      `${where}: token ${shown(token)}`,
      `has the id ${shown(id)}, expected a whole number below ${end}`,
    );
  }
}

/** All objects in a part of the file, itself included. */
function* objectsIn(part: unknown): Generator<JsonObject> {
  if (Array.isArray(part)) for (const item of part) yield* objectsIn(item);
  else if (isObject(part)) {
    yield part;
    for (const item of Object.values(part)) yield* objectsIn(item);
  }
}

const patternsIn = (part: unknown): string[] =>
  [...objectsIn(part)].flatMap(({ Regex }) => (typeof Regex === "string" ? [Regex] : []));

/** What replaces a part of a text may be longer; of one step after the other that multiplies. */
function checkGrowth(part: unknown, where: string): void {
  let growth = 1;
  for (const { type, pattern, content, prepend } of objectsIn(part)) {
    if (type === "Prepend" && typeof prepend === "string") growth += prepend.length;
    if (type !== "Replace" || typeof content !== "string") continue;
    const replaced = isObject(pattern) && typeof pattern.String === "string" ? pattern.String.length : 0;
    growth *= Math.max(1, replaced > 0 ? content.length / replaced : content.length + 1);
  }
  if (growth > mostGrowth) {
    throw new InputError(where, `makes texts ${growth} times as long, expected at most ${mostGrowth} times`);
  }
}
