import {
  cast,
  constant,
  expand,
  greaterEqual,
  mul,
  reshape,
  slice,
  Tensor,
  takeAlong,
  type Value,
} from "../../engine/index.js";
import { InputError } from "../../errors.js";

/**
 * Python's `apply_linear_attention_mask`: v with zeros at padding.
 *
 * @param attentionMask bool or int64 (0 at padding) or float (added to attention scores: below 0 at padding), [B, M];
 * or [B, 1, M, K], of which the diagonal is taken: whether a token sees itself. Other axes of size 1 are dropped.
 * @param v [B, S, ..].
 * @param paddingSide which S of a longer mask's M tokens v is: the last (`left`) or the first (`right`).
 * @throws InputError for a mask of another rank.
 */
export function applyLinearAttentionMask(
  attentionMask: Value,
  v: Value,
  paddingSide: "left" | "right" = "right",
): Value {
  const real = realTokens(attentionMask);
  const [count, length] = [real.shape[1]!, v.shape[1]!];
  const start = paddingSide === "left" ? Math.max(0, count - length) : 0;
  const own = slice(real, 1, start, Math.min(count, start + length));
  return mul(v, reshape(cast(own, v.dtype), [...own.shape, ...v.shape.slice(2).map(() => 1)]));
}

/** [B, M], or [B, K] of a diagonal: 0 or false at padding. */
function realTokens(mask: Value): Value {
  const [batch, ...axes] = mask.shape as [number, ...number[]];
  let tokens: Value;
  if (axes.length === 3 && axes[0] === 1) tokens = diagonal(reshape(mask, [batch, axes[1]!, axes[2]!]));
  else {
    const long = axes.filter((size) => size !== 1);
    if (long.length > 1)
      throw new InputError(
        "attention_mask",
        `has the shape [${mask.shape}], expected [B, S] or [B, 1, S, S]`,
      );
    tokens = reshape(mask, [batch, long[0] ?? 1]);
  }
  return tokens.dtype === "bool" || tokens.dtype === "int64" ? tokens : greaterEqual(tokens, 0);
}

/** [B, M, K] -> [B, min(M, K)] */
function diagonal(x: Value): Value {
  const [batch, rows, columns] = x.shape as [number, number, number];
  const count = Math.min(rows, columns);
  const cells = Tensor.int64(
    [1, count],
    Array.from({ length: count }, (_, i) => i * (columns + 1)),
  );
  return takeAlong(reshape(x, [batch, rows * columns]), expand(constant(cells), [batch, count]), 1);
}
