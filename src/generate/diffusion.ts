import { InputError } from "../errors.js";
import type { Random } from "../random.js";
import {
  argmax,
  checkedSampling,
  draw,
  keepTopK,
  keepTopP,
  type SamplingOptions,
  sumOf,
  tokenWeights,
} from "./sampling.js";

/*
 * Writing by masked diffusion, as Dream does (Ye et al., arXiv 2508.15487; `_sample` and `sample_tokens` in
 * generation_utils.py beside the weights Dream-org/Dream-v0-Instruct-7B): all new tokens are masks at first, every step
 * guesses what stands behind all of them, and keeps a share of the guesses.
 */

/** Which guesses a step keeps: any, or those that are the surest by their probability, their lead, or their entropy. */
export const diffusionAlgorithms = ["origin", "maskgit_plus", "topk_margin", "entropy"] as const;

/** One of {@link diffusionAlgorithms}. */
export type DiffusionAlgorithm = (typeof diffusionAlgorithms)[number];

/** How masks become tokens. */
export interface DiffusionSchedule {
  /** Number of steps; as many as there are new tokens unless given. */
  readonly steps?: number | undefined;
  /** Which guesses a step keeps; `entropy` unless given. */
  readonly alg?: DiffusionAlgorithm | undefined;
  /** Draws the guesses that are kept, at this temperature of their sureness; 0 (the default) keeps the surest. */
  readonly algTemp?: number | undefined;
  /** The time at which the last step ends, of times that begin at 1; default 0.001. */
  readonly eps?: number | undefined;
}

/** What {@link diffuseTokens} is told. */
export interface DiffusionOptions extends DiffusionSchedule, SamplingOptions {
  readonly maskTokenId: number;
  readonly maxNewTokens: number;
}

/** Reads a whole sequence of S tokens; gives the logits after each of them, [S, vocab]. */
export type WholeReader = (ids: readonly number[]) => Promise<Float32Array>;

/**
 * The sequence of a prompt and `maxNewTokens` new tokens; masks in the prompt are filled too. What stands at a place is
 * told by the logits after the token before it. At temperature 0 nothing is random, but for `origin` and `algTemp`.
 *
 * @throws InputError for an impossible option.
 */
export async function diffuseTokens(
  read: WholeReader,
  prompt: readonly number[],
  options: DiffusionOptions,
  random: Random,
): Promise<number[]> {
  const { maskTokenId, maxNewTokens, steps = maxNewTokens, alg = "entropy", eps = 0.001 } = checked(options);
  const ids = [...prompt, ...Array<number>(maxNewTokens).fill(maskTokenId)];
  const time = (step: number) => 1 - (step * (1 - eps)) / steps;
  for (let step = 0; step < steps; step++) {
    const share = step < steps - 1 ? 1 - time(step + 1) / time(step) : 1;
    const masked = [...ids.keys()].filter((place) => ids[place] === maskTokenId);
    const guessed = alg === "origin" ? masked.filter(() => random.uniform() < share) : masked;
    const kept = alg === "origin" ? guessed.length : Math.floor(share * masked.length);
    if (kept === 0) continue;
    const logits = await read(ids);
    const vocab = logits.length / ids.length;
    const guesses = guessed.map((place) => {
      const row = Math.max(place - 1, 0);
      const found = guess(logits.subarray(row * vocab, (row + 1) * vocab), alg, options, random);
      return { place, ...found };
    });
    guesses.sort((a, b) => b.sureness - a.sureness);
    for (const { place, token } of guesses.slice(0, kept)) ids[place] = token;
  }
  return ids;
}

/** A token for a place, and a number that is larger the sooner it is kept. */
function guess(
  logits: Float32Array,
  alg: DiffusionAlgorithm,
  { temperature, topP, topK, algTemp = 0 }: DiffusionOptions,
  random: Random,
): { token: number; sureness: number } {
  // Dream's order: first by probability, then by number; at temperature 0 they count for the sureness alone.
  const weights = tokenWeights(logits, temperature || 1);
  if (topP !== undefined) keepTopP(weights, topP);
  if (topK !== undefined) keepTopK(weights, topK);
  const token = temperature === 0 ? argmax(logits) : draw(weights, random.uniform());
  const confidence = confidenceOf(token, weights, alg);
  // The largest of these are a draw without replacement from softmax(confidence / algTemp) (Gumbel's trick).
  const sureness = algTemp === 0 ? confidence : confidence / algTemp - Math.log(-Math.log(random.uniform()));
  return { token, sureness };
}

function confidenceOf(token: number, weights: Float64Array, alg: DiffusionAlgorithm): number {
  const sum = sumOf(weights);
  switch (alg) {
    case "origin":
      return 0;
    case "maskgit_plus":
      return weights[token]! / sum;
    case "topk_margin": {
      let first = 0;
      let second = 0;
      for (const weight of weights) {
        if (weight > first) [first, second] = [weight, first];
        else if (weight > second) second = weight;
      }
      return (first - second) / sum;
    }
    case "entropy": {
      let negative = 0;
      for (const weight of weights) negative += (weight / sum) * Math.log(weight / sum + 1e-10);
      return negative;
    }
  }
}

function checked(options: DiffusionOptions): DiffusionOptions {
  const { steps, alg, algTemp, eps, maxNewTokens } = options;
  for (const [name, count] of [
    ["max_new_tokens", maxNewTokens],
    ["steps", steps],
  ] as const) {
    if (count !== undefined && !(Number.isInteger(count) && count > 0)) {
      throw new InputError(name, `is ${count}, expected an integer of at least 1`);
    }
  }
  if (alg !== undefined && !diffusionAlgorithms.includes(alg)) {
    throw new InputError("alg", `is ${alg}, expected one of ${diffusionAlgorithms.join(", ")}`);
  }
  if (algTemp !== undefined && !(algTemp >= 0 && Number.isFinite(algTemp))) {
    throw new InputError("alg_temp", `is ${algTemp}, expected a number of at least 0`);
  }
  if (eps !== undefined && !(eps >= 0 && eps < 1)) {
    throw new InputError("eps", `is ${eps}, expected a number of at least 0 and below 1`);
  }
  return checkedSampling(options);
}
