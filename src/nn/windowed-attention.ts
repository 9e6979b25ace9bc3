import {
  add,
  concat,
  expand,
  matmul,
  reshape,
  scalar,
  slice,
  softmax,
  transpose,
  type Value,
} from "../engine/index.js";
import { bias, type ForwardContext } from "./forward-context.js";

/** A block of queries is half a window: the keys that it sees lie in its own block and the two before. */
const blocksSeen = 3;
const blockSize = (window: number): number => Math.ceil(window / 2);

/** Whether a pass from the front is long enough for blocks to spare anything. */
export const hasBlocks = ({ causal, length, past }: ForwardContext, window: number): boolean =>
  causal && !past && length > blocksSeen * blockSize(window);

/**
 * Softmax attention of a sliding window, block by block: S x 1.5 window scores, where one table would have S x S
 * (as in Longformer, Beltagy et al., arXiv 2004.05150).
 *
 * @param q [B, H, S, D], rotated. @param k [B, Hkv, S, D], rotated. @param v [B, Hkv, S, D].
 * @returns [B, H, S, D]
 */
export function windowedAttention(
  q: Value,
  k: Value,
  v: Value,
  { window, scale, context }: { window: number; scale: number; context: ForwardContext },
): Value {
  const [batch, heads, length, dim] = q.shape as [number, number, number, number];
  const groups = k.shape[1]!;
  const [group, size] = [heads / groups, blockSize(window)];
  const cut = (x: Value) => inBlocks(x, 2, size, 0);
  const seen = (x: Value) => withBlocksBefore(cut(x), 2, 0);
  const count = Math.ceil(length / size);

  // The q heads of a group lie as more rows beside their one key head.
  const byGroup = transpose(reshape(cut(q), [batch, groups, group, count, size, dim]), [0, 1, 3, 2, 4, 5]);
  const rows = reshape(byGroup, [batch, groups, count, group * size, dim]);
  const scores = matmul(rows, seen(k), { transB: true, alpha: scale });
  const perHead = reshape(scores, [batch, groups, count, group, size, blocksSeen * size]);
  const weights = softmax(add(perHead, blockBias(context, window)));
  const out = matmul(reshape(weights, scores.shape), seen(v));
  const byHead = transpose(reshape(out, [batch, groups, count, group, size, dim]), [0, 1, 3, 2, 4, 5]);
  return slice(reshape(byHead, [batch, heads, count * size, dim]), 2, 0, length);
}

/** What is added to the scores of each block, [B or 1, 1, blocks, 1, size, 3 size]. */
function blockBias(context: ForwardContext, window: number): Value {
  return context.memo(`block bias ${window}`, () => {
    const size = blockSize(window);
    const positions = inBlocks(context.tokenPositions, 1, size, -1);
    const keys = withBlocksBefore(positions, 1, -1);
    const [batch, count] = positions.shape as [number, number];
    return bias(
      reshape(positions, [batch, 1, count, 1, size, 1]),
      reshape(keys, [batch, 1, count, 1, 1, blocksSeen * size]),
      { window, causal: true },
    );
  });
}

/** Cuts an axis into blocks, the last filled up: [.., S, ..] -> [.., blocks, size, ..]. */
function inBlocks(x: Value, axis: number, size: number, filling: number): Value {
  const length = x.shape[axis]!;
  const count = Math.ceil(length / size);
  const missing = count * size - length;
  const whole = missing > 0 ? concat([x, filled(x, axis, missing, filling)], axis) : x;
  return reshape(whole, [...x.shape.slice(0, axis), count, size, ...x.shape.slice(axis + 1)]);
}

/** Puts in front of each block the two before it: [.., blocks, size, ..] -> [.., blocks, 3 size, ..]. */
function withBlocksBefore(blocks: Value, axis: number, filling: number): Value {
  const count = blocks.shape[axis]!;
  const before = (by: number) =>
    concat([filled(blocks, axis, by, filling), slice(blocks, axis, 0, count - by)], axis);
  return concat([before(2), before(1), blocks], axis + 1);
}

const filled = (x: Value, axis: number, count: number, value: number): Value =>
  expand(scalar(value, x.dtype), x.shape.with(axis, count));
