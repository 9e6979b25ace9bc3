import { add, constant, expand, reshape, slice, Tensor, takeAlong, type Value } from "../engine/index.js";
import type { ForwardContext } from "../nn/forward-context.js";

/** A value over tokens, and what the next call needs of it. */
export interface Tailed {
  readonly value: Value;
  readonly tail: Value;
}

/**
 * The last `count` real tokens, [B, count, ..], of what came before (its last `count`) joined with this pass,
 * [B, count + S, ..]. Rows without a real token keep what they had.
 */
export function tail(extended: Value, count: number, context: ForwardContext): Value {
  if (!context.mask) return slice(extended, 1, extended.shape[1]! - count, extended.shape[1]!);
  const batch = extended.shape[0]!;
  const trailing = extended.shape.slice(2);
  const steps = constant(
    Tensor.int64(
      [1, count],
      Array.from({ length: count }, (_, i) => i),
    ),
  );
  const rows = add(reshape(context.end, [batch, 1]), steps);
  const indices = expand(reshape(rows, [batch, count, ...trailing.map(() => 1)]), [
    batch,
    count,
    ...trailing,
  ]);
  return takeAlong(extended, indices, 1);
}
