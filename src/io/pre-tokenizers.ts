import type { JsonObject } from "./json-file.js";

/** What of a byte-level BPE tokenizer follows from the name of its pre-tokenizer. */
export interface PreTokenizerRules {
  /** Where words end: one pattern after the other, each cutting what the one before left. */
  readonly patterns: readonly string[];
  readonly normalizer: JsonObject | null;
  /** A word that is a token is that token, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Unless the file says otherwise. */
  readonly addBos: boolean;
}

const gpt2Words = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const capitalised = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const small = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const before = String.raw`[^\r\n\p{L}\p{N}]?`;

/** The words of tiktoken's cl100k and its kin: numbers of up to `digits` digits, line ends by themselves. */
const tiktokenWords = (digits: string) =>
  String.raw`${contractions}|${before}\p{L}+|\p{N}${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** The words of tiktoken's o200k and its kin: a word also ends where capitals begin. */
const caseWords = (digits: string, suffix: string) =>
  String.raw`${before}${capitalised}*${small}+${suffix}|${before}${capitalised}+${small}*${suffix}|\p{N}${digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const rules = (patterns: string[], others: Partial<PreTokenizerRules> = {}): PreTokenizerRules => ({
  patterns,
  normalizer: null,
  ignoreMerges: false,
  addBos: false,
  ...others,
});

const gpt2 = rules([gpt2Words]);
const digitwise = rules([String.raw`\p{N}`, gpt2Words]);
const llama3 = rules([tiktokenWords("{1,3}")], { ignoreMerges: true, addBos: true });
const cl100k = rules([tiktokenWords("{1,3}")]);
const qwen2 = rules([tiktokenWords("")], { normalizer: { type: "NFC" } });
const o200k = rules([caseWords("{1,3}", `${contractions}?`)]);

/**
 * By `tokenizer.ggml.pre`, the name that llama.cpp (llama-vocab.cpp) gives the pre-tokenizer; the patterns are those of
 * the models' own tokenizer.json.
 */
export const preTokenizers: Readonly<Record<string, PreTokenizerRules>> = {
  "gpt-2": gpt2,
  "phi-2": gpt2,
  mpt: gpt2,
  olmo: gpt2,
  starcoder: digitwise,
  refact: digitwise,
  smollm: digitwise,
  "llama-bpe": llama3,
  llama3,
  "llama-v3": llama3,
  dbrx: cl100k,
  "smaug-bpe": cl100k,
  qwen2,
  "deepseek-r1-qwen": rules([tiktokenWords("")]),
  tekken: rules([caseWords("", "")], { ignoreMerges: true, addBos: true }),
  "gpt-4o": o200k,
  llama4: o200k,
};
