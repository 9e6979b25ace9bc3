import { add, div, equal, expand, reshape, slice, type Value, where } from "../engine/index.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { precede, type Tailed, tail, takeTokens } from "./tail.js";

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
    const lag = kernelSize - 1;
    const first =
      context.mask && context.length > 1 ? takeTokens(x, reshape(context.start, [-1, 1])) : slice(x, 1, 0, 1);
    const replicated = expand(first, first.shape.with(1, lag));
    const isStart = context.past && reshape(equal(context.past.seen, 0), [-1, 1, 1]);
    const before = isStart && past ? where(isStart, replicated, past) : replicated;
    const extended = precede(before, x, context);
    const shifted = Array.from({ length: kernelSize }, (_, i) => slice(extended, 1, i, i + context.length));
    return { value: div(shifted.reduce(add), kernelSize), tail: tail(extended, lag, context) };
  }
}
