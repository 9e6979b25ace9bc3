import {
  add,
  concat,
  matmul,
  mul,
  reshape,
  slice,
  softmax,
  split,
  transpose,
  type Value,
} from "../engine/index.js";
import type { ForwardContext, PastKeyValues } from "./forward-context.js";
import { Module } from "./module.js";
import { scaledDotProduct } from "./scaled-dot-product.js";
import { hasBlocks, windowedAttention } from "./windowed-attention.js";

/** The raw projections of a layer: q [B, S, H * D], k and v [B, S, Hkv * D], before any norm or rotation. */
export interface Projections {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/**
 * A self-attention layer, cut where a second path can share its parts: projections, attention, output
 * projection.
 */
export abstract class Attention extends Module {
  abstract readonly layerIdx: number;
  abstract readonly numHeads: number;
  abstract readonly numKeyValueHeads: number;
  abstract readonly headDim: number;
  /** How many tokens, itself included, a token sees; infinite for global attention. */
  abstract readonly window: number;

  /** x [B, S, hidden] */
  abstract project(x: Value): Projections;
  /** Softmax attention over the projections: [B, S, H * D]. At most `window` tokens are seen. */
  abstract attend(projections: Projections, context: ForwardContext, window?: number): Value;
  /** The output projection: [B, S, H * D] -> [B, S, hidden]. */
  abstract projectOut(heads: Value): Value;

  /** [B, S, hidden] -> [B, S, hidden] */
  forward(x: Value, context: ForwardContext): Value {
    return this.projectOut(this.attend(this.project(x), context));
  }
}

/** [B, S, H * D] -> [B, H, S, D] */
export function splitHeads(x: Value, heads: number): Value {
  const [batch, length, features] = x.shape as [number, number, number];
  return transpose(reshape(x, [batch, length, heads, features / heads]), [0, 2, 1, 3]);
}

/** [B, H, S, D] -> [B, S, H * D] */
function mergeHeads(x: Value): Value {
  const [batch, heads, length, dim] = x.shape as [number, number, number, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, length, heads * dim]);
}

/** A token's attention to the ring and to itself, apart: joining them would copy the ring. All [B, H or Hkv, 1, D]. */
function oneTokenAttention(
  q: Value,
  own: { readonly key: Value; readonly value: Value },
  past: PastKeyValues,
  { window, scale, context }: SoftmaxAttentionOptions,
): Value {
  const [batch, groups, slots, dim] = past.key.shape as [number, number, number, number];
  const rows = reshape(q, [batch, groups, -1, dim]);
  const scores = [past, own].map(({ key }) => matmul(rows, key, { transB: true, alpha: scale }));
  const weights = softmax(add(concat(scores, -1), context.bias(window, past)));
  const [toPast, toOwn] = split(weights, -1, [slots, 1]) as [Value, Value];
  return reshape(add(matmul(toPast, past.value), mul(toOwn, own.value)), q.shape);
}

/** What {@link softmaxAttention} is told of the layer. */
export interface SoftmaxAttentionOptions {
  readonly layerIdx: number;
  readonly window: number;
  /** Factor of the scores, usually D^-0.5. */
  readonly scale: number;
  readonly context: ForwardContext;
}

/**
 * A whole sequence goes through global attention in blocks of so many queries: keys after a block cost nothing. Small blocks
 * spare most; of a long sequence they would be so many that their gradients cost more (docs/decisions/0015-training-step.md).
 */
const queryBlock = (length: number): number => (length <= 1024 ? 256 : 1024);

/**
 * Softmax attention ({@link scaledDotProduct}) over what came before and this pass.
 *
 * @param q [B, H, S, D], rotated. @param k [B, Hkv, S, D], rotated. @param v [B, Hkv, S, D].
 * @returns [B, S, H * D]
 */
export function softmaxAttention(q: Value, k: Value, v: Value, options: SoftmaxAttentionOptions): Value {
  const { layerIdx, window, scale, context } = options;
  const past = context.past?.layers[layerIdx];
  context.written[layerIdx] = { key: k, value: v };
  if (past && context.length === 1)
    return mergeHeads(oneTokenAttention(q, { key: k, value: v }, past, options));
  if (past) {
    const [keys, values] = [concat([past.key, k], 2), concat([past.value, v], 2)];
    return mergeHeads(scaledDotProduct(q, keys, values, context.bias(window, past), scale));
  }
  if (hasBlocks(context, window)) return mergeHeads(windowedAttention(q, k, v, { window, scale, context }));
  const { length } = context;
  const size = queryBlock(length);
  if (!context.causal || length <= size)
    return mergeHeads(scaledDotProduct(q, k, v, context.bias(window), scale));
  const blocks = Array.from({ length: Math.ceil(length / size) }, (_, i) => {
    const [from, to] = [i * size, Math.min((i + 1) * size, length)];
    const seen = (x: Value) => slice(x, 2, 0, to);
    return scaledDotProduct(slice(q, 2, from, to), seen(k), seen(v), context.biasOf(from, to, window), scale);
  });
  return mergeHeads(concat(blocks, 2));
}
