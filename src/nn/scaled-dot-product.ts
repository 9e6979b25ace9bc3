import { add, matmul, reshape, softmax, type Value } from "../engine/index.js";

/**
 * softmax(q k^T * scale + bias) v (Vaswani et al., arXiv 1706.03762), heads grouped as in GQA (Ainslie et al.,
 * arXiv 2305.13245): the q heads of a group lie as more rows beside their one key head, so keys are never repeated.
 *
 * @param q [B, H, T, D]. @param k [B, Hkv, keys, D]. @param v [B, Hkv, keys, D]. @param bias [B or 1, 1, T, keys].
 * @returns [B, H, T, D]
 */
export function scaledDotProduct(q: Value, k: Value, v: Value, bias: Value, scale: number): Value {
  const [batch, heads, length, dim] = q.shape as [number, number, number, number];
  const groups = k.shape[1]!;
  const rows = reshape(q, [batch, groups, (heads / groups) * length, dim]);
  const scores = matmul(rows, k, { transB: true, alpha: scale });
  const weights = softmax(add(reshape(scores, [batch, heads, length, k.shape[2]!]), bias));
  return reshape(matmul(reshape(weights, scores.shape), v), [batch, heads, length, dim]);
}
