import { Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import { type DiffusionSchedule, diffuseTokens } from "../generate/diffusion.js";
import { generateTokens } from "../generate/generate.js";
import { createTokenSampler } from "../generate/sampling.js";
import type { Tokenizer } from "../io/tokenizer.js";
import { Random } from "../random.js";
import type { Decoder } from "./graphs/decoder.js";

/** How a text is continued. Those of {@link DiffusionSchedule} are for models that write by diffusion. */
export interface GenerateOptions extends DiffusionSchedule {
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
  /** The token that stands for one not yet known, where the model writes by diffusion. */
  readonly maskTokenId: number | undefined;
  requireTokenizer(): Tokenizer;
  decoder(): Decoder;
  forward(inputs: { readonly inputIds: Tensor }): Promise<{ readonly logits: Tensor }>;
}

/**
 * Continues a prompt, piece by piece; a model that writes by diffusion has all pieces at once, at the end.
 *
 * @throws InputError for an impossible option, or a text longer than the model can read.
 */
export async function* streamText(model: TextModel, options: GenerateOptions): AsyncGenerator<string> {
  const tokenizer = model.requireTokenizer();
  const prompt = tokenizer.encode(options.prompt);
  const text = tokenizer.stream({ skipSpecialTokens: true });
  const write = model.maskTokenId === undefined ? writeInOrder : writeByDiffusion;
  for await (const id of write(model, prompt, options)) {
    options.onToken?.(id);
    const piece = text.push(id);
    if (piece) yield piece;
  }
  const rest = text.flush();
  if (rest) yield rest;
}

type Writer = (
  model: TextModel,
  prompt: readonly number[],
  options: GenerateOptions,
) => AsyncGenerator<number>;

/** New tokens, one after the other. */
const writeInOrder: Writer = async function* (model, prompt, options) {
  const { temperature = 0, topK, topP, seed = 0, steps, alg, algTemp, eps } = options;
  for (const [name, value] of Object.entries({ steps, alg, alg_temp: algTemp, eps })) {
    if (value === undefined) continue;
    throw new InputError(
      name,
      `is ${value}, which is for models that write by diffusion; this one writes in order: leave it out`,
    );
  }
  const sample = createTokenSampler({ temperature, topK, topP }, Random.for(seed, "generate"));
  const maxNewTokens = countNewTokens(prompt.length, model.maxLength, options.maxNewTokens, lastUnread);
  const decoder = model.decoder();
  const reader = { read: async (ids: readonly number[]) => (await decoder.read([ids]))[0]! };
  yield* generateTokens(reader, prompt, sample, { maxNewTokens, stopIds: model.eosTokenIds });
};
/** New tokens, all known at the end; what stands after one that ends a text is not given out. */
const writeByDiffusion: Writer = async function* (model, prompt, options) {
  const { temperature = 0, topK, topP, seed = 0, steps, alg, algTemp, eps } = options;
  const maxNewTokens = countNewTokens(prompt.length, model.maxLength, options.maxNewTokens, 0);
  const read = async (ids: readonly number[]) => {
    const { logits } = await model.forward({ inputIds: Tensor.int64([1, ids.length], ids) });
    return logits.f32;
  };
  const sampling = { temperature, topK, topP };
  const schedule = { maskTokenId: model.maskTokenId!, maxNewTokens, steps, alg, algTemp, eps };
  const random = Random.for(seed, "generate");
  const ids = await diffuseTokens(read, prompt, { ...sampling, ...schedule }, random);
  for (const id of ids.slice(prompt.length)) {
    if (model.eosTokenIds.includes(id)) return;
    yield id;
  }
};

/** A model that writes in order gives the last new token out and never reads it. */
export const lastUnread = 1;

/** How many tokens may follow a prompt, of which `unread` need no position. */
function countNewTokens(
  promptLength: number,
  maxLength: number,
  wanted: number | undefined,
  unread: number,
): number {
  if (promptLength === 0) throw new InputError("prompt", "is empty, expected at least one token");
  if (promptLength >= maxLength + unread) {
    throw new InputError(
      "prompt",
      `has ${promptLength} tokens, the model knows positions up to ${maxLength}; shorten it`,
    );
  }
  const left = maxLength - promptLength + unread;
  if (wanted !== undefined && wanted > left) {
    throw new InputError(
      "max_new_tokens",
      `is ${wanted}, the prompt's ${promptLength} tokens leave ${left} of the model's ${maxLength} positions; shorten it`,
    );
  }
  return wanted ?? Math.min(128, left);
}
