import { split, type Value } from "../engine/index.js";
import { InputError } from "../errors.js";
import type { Projections } from "./attention.js";

/** The heads of a layer with one projection for queries, keys and values. */
export interface FusedHeads {
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
}

/**
 * Python's `split_qkv`: cuts a fused projection, as OpenELM and GPT-2 have it, into queries, keys and values.
 *
 * @param qkv [.., (H + 2 Hkv) * D], the queries first.
 * @returns q [.., H * D], k and v [.., Hkv * D].
 * @throws InputError when a count is missing, or they do not add up.
 */
export function splitQkv({ numHeads, numKeyValueHeads, headDim }: FusedHeads, qkv: Value): Projections {
  for (const [name, count] of Object.entries({ numHeads, numKeyValueHeads, headDim })) {
    if (!Number.isInteger(count) || count <= 0)
      throw new InputError(`splitQkv: ${name}`, `is ${count}, expected a positive integer`);
  }
  const sizes = [numHeads, numKeyValueHeads, numKeyValueHeads].map((count) => count * headDim);
  const features = qkv.shape.at(-1);
  if (features !== sizes.reduce((a, b) => a + b, 0)) {
    throw new InputError(
      "splitQkv",
      `got ${features} features, expected ${sizes.join(" + ")} for ${numHeads} heads and ${numKeyValueHeads} of keys and values, ${headDim} each`,
    );
  }
  const [q, k, v] = split(qkv, -1, sizes) as [Value, Value, Value];
  return { q, k, v };
}
