import { concat, expand, reshape, scalar, slice, transpose, type Value } from "../engine/index.js";
import { bias, type ForwardContext } from "./forward-context.js";
import { scaledDotProduct } from "./scaled-dot-product.js";

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
  const size = blockSize(window);
  /** [B, h, blocks, ..] -> [B * blocks, h, ..]: each block is a sequence by itself. */
  const alone = (x: Value) => reshape(transpose(x, [0, 2, 1, 3, 4]), [-1, x.shape[1]!, ...x.shape.slice(3)]);
  const blocks = inBlocks(q, 2, size, 0);
  const count = blocks.shape[2]!;
  const seen = (x: Value) => alone(withBlocksBefore(inBlocks(x, 2, size, 0), 2, 0));
  const out = scaledDotProduct(alone(blocks), seen(k), seen(v), blockBias(context, window), scale);
  const whole = transpose(reshape(out, [batch, count, heads, size, dim]), [0, 2, 1, 3, 4]);
  return slice(reshape(whole, [batch, heads, count * size, dim]), 2, 0, length);
}

/** What is added to the scores of each block, [B * blocks, 1, size, 3 size]. */
function blockBias(context: ForwardContext, window: number): Value {
  return context.memo(`block bias ${window}`, () => {
    const size = blockSize(window);
    const { batch, length, tokenPositions } = context;
    const positions = inBlocks(expand(tokenPositions, [batch, length]), 1, size, -1);
    const keys = withBlocksBefore(positions, 1, -1);
    const own = reshape(positions, [-1, 1, size, 1]);
    return bias(own, reshape(keys, [-1, 1, 1, blocksSeen * size]), { window, causal: true });
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
