import { InputError } from "../errors.js";
import type { Random } from "../random.js";

/** How a token is chosen by its logits. */
export interface SamplingOptions {
  /** Divides the logits: below 1 is surer, above 1 is more varied; 0 takes the most likely token. */
  readonly temperature: number;
  /** Sample among this many most likely tokens. */
  readonly topK?: number | undefined;
  /** Sample among the most likely tokens that together have at least this probability (Holtzman et al., 2020). */
  readonly topP?: number | undefined;
}

/** Chooses the next token from its logits [V]. */
export type TokenSampler = (logits: Float32Array) => number;

/**
 * A sampler for one sequence: temperature, then `topK`, then `topP`, then a draw. Between equals the first index wins.
 *
 * @throws InputError for an impossible option. The sampler itself throws an Error when the logits hold NaN or no finite maximum.
 */
export function createTokenSampler(options: SamplingOptions, random: Random): TokenSampler {
  const { temperature, topK, topP } = checkedSampling(options);
  if (temperature === 0) return argmax;
  return (logits) => {
    const weights = tokenWeights(logits, temperature);
    if (topK !== undefined) keepTopK(weights, topK);
    if (topP !== undefined) keepTopP(weights, topP);
    return draw(weights, random.uniform());
  };
}

/** The options. @throws InputError for an impossible one. */
export function checkedSampling<T extends SamplingOptions>(options: T): T {
  const { temperature, topK, topP } = options;
  if (!(temperature >= 0 && Number.isFinite(temperature))) {
    throw new InputError("temperature", `is ${temperature}, expected a number of at least 0`);
  }
  if (topK !== undefined && !(Number.isInteger(topK) && topK > 0)) {
    throw new InputError(
      "top_k",
      `is ${topK}, expected an integer of at least 1; leave it out to allow every token`,
    );
  }
  if (topP !== undefined && !(topP > 0 && topP <= 1)) {
    throw new InputError("top_p", `is ${topP}, expected a number above 0 and up to 1`);
  }
  return options;
}

/** The tokens' probabilities up to a factor, [V]. */
export function tokenWeights(logits: Float32Array, temperature: number): Float64Array {
  const max = logits[argmax(logits)]!;
  const weights = new Float64Array(logits.length);
  // At most 1, so that nothing overflows; what underflows to 0 is never drawn.
  for (let id = 0; id < weights.length; id++) weights[id] = Math.exp((logits[id]! - max) / temperature);
  return weights;
}

/** The most likely token. @throws Error when the logits hold NaN or no finite maximum. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    if (Number.isNaN(logits[id])) throw new Error(`sampling: the logit of token ${id} is NaN`);
    if (logits[id]! > logits[best]!) best = id;
  }
  const max = logits[best];
  if (max === undefined || !Number.isFinite(max)) throw new Error(`sampling: the largest logit is ${max}`);
  return best;
}

/** Sets all but the k largest weights to 0. */
export function keepTopK(weights: Float64Array, k: number): void {
  if (k >= weights.length) return;
  keepFrom(weights, kthLargest(weights, k), k);
}

/** Sets all weights to 0 but those of the smallest set of tokens that has at least the share p of the sum. */
export function keepTopP(weights: Float64Array, p: number): void {
  if (p === 1) return;
  const sum = sumOf(weights);
  // All weights below this have less than the share 1 - p together: the rest is enough, and less to sort.
  const floor = ((1 - p) * sum) / weights.length;
  const ascending = weights.filter((weight) => weight >= floor).sort();
  let kept = 0;
  for (let share = 0; kept < ascending.length && share < p * sum; kept++) share += ascending.at(-1 - kept)!;
  keepFrom(weights, ascending.at(-kept)!, kept);
}

/** Sets all but k weights to 0, of which the least is `threshold`. */
function keepFrom(weights: Float64Array, threshold: number, k: number): void {
  let equal = k;
  for (let id = 0; id < weights.length; id++) if (weights[id]! > threshold) equal--;
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id]!;
    if (weight < threshold || (weight === threshold && equal-- <= 0)) weights[id] = 0;
  }
}

/** The k-th largest value: the root of a min-heap of the k largest so far, for a sort of a vocabulary is slow. */
function kthLargest(values: Float64Array, k: number): number {
  const heap = values.slice(0, k).sort();
  for (let i = k; i < values.length; i++) {
    const value = values[i]!;
    if (value <= heap[0]!) continue;
    let at = 0;
    for (let child = 1; child < k; child = 2 * at + 1) {
      if (child + 1 < k && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= value) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = value;
  }
  return heap[0]!;
}

/** The token at the share `u` of the sum of the weights, 0 <= u < 1; never one of weight 0. */
export function draw(weights: Float64Array, u: number): number {
  let left = u * sumOf(weights);
  let last = 0;
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id]!;
    if (weight === 0) continue;
    if (left < weight) return id;
    left -= weight;
    last = id;
  }
  return last;
}

/** The sum of the weights. */
export function sumOf(weights: Float64Array): number {
  let sum = 0;
  for (let id = 0; id < weights.length; id++) sum += weights[id]!;
  return sum;
}
