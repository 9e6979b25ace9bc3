import {
  expand,
  l2norm,
  mul,
  reshape,
  scalar,
  sigmoid,
  silu,
  type TypeInfo,
  type Value,
} from "../../engine/index.js";
import type { Projections } from "../../nn/attention.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import { scaled } from "../../nn/layers.js";
import type { PoolingConfig, RecurrentConfig } from "../config/operator-config.js";
import type { LinearState } from "./lcache.js";

/** What a {@link LinearMemory} is made of. */
export interface LinearMemoryOptions {
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly recurrentConfig: RecurrentConfig;
  readonly maxChunkSize: number;
  readonly bidirectional: boolean;
  readonly paddingSide: "left" | "right";
  readonly poolingConfig: PoolingConfig;
}

/** One of the two forms of the memory (`OperatorForm`): from raw projections to what its heads read. */
export interface LinearMemory {
  /**
   * @param projections raw: q [B, S, H * D], k and v [B, S, Hkv * D].
   * @param past what an earlier call left.
   * @returns what the heads read, [B, S, H, D], and what the next call needs.
   */
  read(
    projections: Projections,
    context: ForwardContext,
    past: LinearState | undefined,
  ): { heads: Value; state: LinearState };

  /** What is kept between calls, by shape. */
  stateShapes(batch: number): LinearState<readonly number[]>;
}

/** Which projections the gates are made of. */
export const gateSources = ({ alphaGate, betaGate }: RecurrentConfig): ReadonlySet<string> =>
  new Set([...alphaGate, ...betaGate]);

/**
 * The gates: alpha (absent: all ones) and beta, like the raw keys.
 * @param keys the pooled keys, if they are a source. @param values the pooled values likewise.
 */
export function gatesOf(
  { alphaGate, betaGate }: RecurrentConfig,
  { dtype, shape }: TypeInfo,
  keys: Value | undefined,
  values: Value | undefined,
): { alpha: Value | undefined; beta: Value } {
  const forget = keys && sigmoid(keys);
  const write = values && sigmoid(values);
  const gate = { k: forget, v: write, kv: forget && write && mul(forget, write), c: undefined };
  return { alpha: gate[alphaGate], beta: gate[betaGate] ?? expand(scalar(0.5, dtype), shape) };
}

/** [B, S, H * D] -> [B, S, H, D] */
export const byHeads = (x: Value, headDim: number): Value =>
  reshape(x, [...x.shape.slice(0, -1), x.shape.at(-1)! / headDim, headDim]);

/**
 * Python's `prepare_attention_input`: raw projections by heads: l2norm(silu(q)), l2norm(silu(k)), v / sqrt(D).
 * @returns [B, S, H or Hkv, D] each.
 */
export function prepareAttentionInput({ q, k, v }: Projections, headDim: number): Projections {
  const feature = (x: Value) => l2norm(silu(byHeads(x, headDim)), 1e-6);
  return { q: feature(q), k: feature(k), v: scaled(byHeads(v, headDim), headDim ** -0.5) };
}
