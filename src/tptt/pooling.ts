import {
  add,
  concat,
  div,
  equal,
  expand,
  reshape,
  slice,
  takeAlong,
  type Value,
  where,
} from "../engine/index.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { type Tailed, tail } from "./tail.js";

/** Tokens that the mean is taken over. */
const kernelSize = 3;

/**
 * Causal mean over tokens t, t - 1 and t - 2, the first token standing in for those before it. Padding does not
 * count: a sequence gives the same, padded or not, whole or in pieces.
 */
export class CausalAvgPool1d {
  /**
   * @param x [B, S, F]. @param past the tail that an earlier call gave, [B, 2, F].
   * @returns the means [B, S, F], and the last two tokens for the next call.
   */
  forward(x: Value, context: ForwardContext, past?: Value): Tailed {
    const { length, mask } = context;
    const lag = kernelSize - 1;
    const first = mask ? firstToken(x, context) : slice(x, 1, 0, 1);
    const before = expandRows(first, lag);
    const fresh =
      context.past && past ? where(reshape(equal(context.past.seen, 0), [-1, 1, 1]), before, past) : before;
    // Padding on the left takes the first token's value, so that it replicates like what lies before the sequence.
    const filled = mask ? where(reshape(mask, [...mask.shape, 1]), x, first) : x;
    const extended = concat([fresh, filled], 1);
    let sum = filled;
    for (let i = 1; i <= lag; i++) sum = add(sum, slice(extended, 1, lag - i, lag - i + length));
    return { value: div(sum, kernelSize), tail: tail(extended, lag, context) };
  }
}

/** The first real token of each row, [B, 1, F]. */
function firstToken(x: Value, context: ForwardContext): Value {
  const [batch, , features] = x.shape as [number, number, number];
  return takeAlong(x, expand(reshape(context.start, [batch, 1, 1]), [batch, 1, features]), 1);
}

const expandRows = (row: Value, count: number): Value => expand(row, row.shape.with(1, count));
