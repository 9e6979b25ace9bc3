import { slice, type Value } from "../../engine/index.js";
import { InputError } from "../../errors.js";

/**
 * Python's `truncate_attention_mask`: cuts a sequence, and the mask of its attention, to its last tokens.
 *
 * @param hiddenStates [B, S, ..]. @param attentionMask [B, S], [B, S, S] or [B, 1, S, S]; undefined: none.
 * @param maxLength tokens that are kept, N.
 * @returns both, with N in the place of S where S is larger.
 * @throws InputError when the mask has another shape.
 */
export function truncateAttentionMask(
  hiddenStates: Value,
  attentionMask: Value | undefined,
  maxLength: number,
): [hiddenStates: Value, attentionMask: Value | undefined] {
  const length = hiddenStates.shape[1]!;
  if (length <= maxLength) return [hiddenStates, attentionMask];
  const last = (x: Value, axis: number) => slice(x, axis, x.shape[axis]! - maxLength, x.shape[axis]!);
  const axes = attentionMask && tokenAxes(attentionMask.shape);
  return [last(hiddenStates, 1), axes ? axes.reduce(last, attentionMask) : undefined];
}

/** The axes of a mask that stand for tokens. */
function tokenAxes(shape: readonly number[]): readonly number[] {
  if (shape.length === 2) return [1];
  if (shape.length === 3) return [1, 2];
  if (shape.length === 4 && shape[1] === 1) return [2, 3];
  throw new InputError("attention_mask", `is [${shape}], expected [B, S], [B, S, S] or [B, 1, S, S]`);
}
