import { InputError } from "../errors.js";
import { generateTokens } from "../generate/generate.js";
import { createTokenSampler } from "../generate/sampling.js";
import type { Tokenizer } from "../io/tokenizer.js";
import { Random } from "../random.js";
import type { Decoder } from "./decoder.js";

/** Options of {@link streamText}. */
export interface GenerateOptions {
  readonly prompt: string;
  /** Default: 128, or as many as the model's positions leave. */
  readonly maxNewTokens?: number;
  /** 0 (the default) takes the most likely token. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed?: number;
  /** Called with each new token, before its text is given out: a piece of text may hold several. */
  readonly onToken?: (id: number) => void;
}

/** A model that continues texts. */
export interface TextModel {
  /** The longest sequence that it can read, in tokens. */
  readonly maxLength: number;
  /** Tokens that end a text. */
  readonly eosTokenIds: readonly number[];
  requireTokenizer(): Tokenizer;
  decoder(): Decoder;
}

/**
 * Continues a prompt, piece by piece.
 *
 * @throws InputError for an impossible option, or a text longer than the model can read.
 */
export async function* streamText(model: TextModel, options: GenerateOptions): AsyncGenerator<string> {
  const { prompt, temperature = 0, topK, topP, seed = 0, onToken } = options;
  const tokenizer = model.requireTokenizer();
  const sample = createTokenSampler({ temperature, topK, topP }, Random.for(seed, "generate"));
  const ids = tokenizer.encode(prompt);
  const maxNewTokens = countNewTokens(ids.length, model.maxLength, options.maxNewTokens);
  const decoder = model.decoder();
  const reader = { read: async (ids: readonly number[]) => (await decoder.read([ids]))[0]! };
  const text = tokenizer.stream({ skipSpecialTokens: true });
  for await (const id of generateTokens(reader, ids, sample, { maxNewTokens, stopIds: model.eosTokenIds })) {
    onToken?.(id);
    const piece = text.push(id);
    if (piece) yield piece;
  }
  const rest = text.flush();
  if (rest) yield rest;
}

/** How many tokens may follow a prompt. */
function countNewTokens(promptLength: number, maxLength: number, wanted: number | undefined): number {
  if (promptLength === 0) throw new InputError("prompt", "is empty, expected at least one token");
  if (promptLength > maxLength) {
    throw new InputError(
      "prompt",
      `has ${promptLength} tokens, the model knows positions up to ${maxLength}; shorten it`,
    );
  }
  const left = maxLength - promptLength + 1; // The last new token is given out, never read.
  if (wanted !== undefined && wanted > left) {
    throw new InputError(
      "max_new_tokens",
      `is ${wanted}, the prompt's ${promptLength} tokens leave ${left} of the model's ${maxLength} positions; shorten it`,
    );
  }
  return wanted ?? Math.min(128, left);
}
