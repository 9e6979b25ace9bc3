import {
  add,
  concat,
  constant,
  gather,
  greaterEqual,
  maximum,
  reshape,
  slice,
  sub,
  Tensor,
  type Value,
  where,
} from "../../engine/index.js";
import type { ForwardContext } from "../../nn/forward-context.js";

/** A value over tokens, and what the next call needs of it. */
export interface Tailed {
  readonly value: Value;
  readonly tail: Value;
}

/**
 * Puts `before`, [B, count, ..], in front of a pass x, [B, S, ..]: [B, count + S, ..]. Where a row begins with
 * padding, `before` stands right before its first real token.
 */
export function precede(before: Value, x: Value, context: ForwardContext): Value {
  const joined = concat([before, x], 1);
  // A single token is never preceded by padding.
  if (!context.mask || context.length === 1) return joined;
  const count = before.shape[1]!;
  // Row j of the result is token t = j - count: itself from the first real token on, else what lies before that.
  const j = steps(joined.shape[1]!);
  const start = reshape(context.start, [-1, 1]);
  return takeTokens(joined, where(greaterEqual(sub(j, count), start), j, maximum(sub(j, start), 0)));
}

/**
 * The last `count` real tokens, [B, count, ..], of what {@link precede} gave, [B, count + S, ..]. Rows without a real
 * token keep what they had.
 */
export function tail(preceded: Value, count: number, context: ForwardContext): Value {
  const length = preceded.shape[1]!;
  if (!context.mask) return slice(preceded, 1, length - count, length);
  return takeTokens(preceded, add(reshape(context.end, [-1, 1]), steps(count)));
}

/** The tokens of each row of x, [B, S, ..], at indices int64 [B or 1, M]: [B, M, ..]. */
export function takeTokens(x: Value, indices: Value): Value {
  const [batch, length, ...features] = x.shape as [number, number, ...number[]];
  const rows = Array.from({ length: batch }, (_, b) => b * length);
  const flat = add(indices, constant(Tensor.int64([batch, 1], rows)));
  return gather(reshape(x, [batch * length, ...features]), flat);
}

/** 0, 1 .. count - 1: int64 [1, count]. */
export function steps(count: number): Value {
  return constant(
    Tensor.int64(
      [1, count],
      Array.from({ length: count }, (_, i) => i),
    ),
  );
}
