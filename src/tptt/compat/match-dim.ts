import { constant, linear, slice, Tensor, transpose, type Value } from "../../engine/index.js";

/**
 * Python's `match_dim`: brings an axis to another size: to a larger one by linear interpolation (PyTorch's
 * `interpolate` without aligned corners), to a smaller one by leaving out its end.
 *
 * @param dim the axis; negative ones count from the back.
 */
export function matchDim(x: Value, dim: number, targetSize: number): Value {
  const axis = dim < 0 ? dim + x.rank : dim;
  const size = x.shape[axis]!;
  if (size >= targetSize) return size === targetSize ? x : slice(x, axis, 0, targetSize);
  const weight = new Float32Array(targetSize * size);
  for (let i = 0; i < targetSize; i++) {
    const place = Math.max(0, ((i + 0.5) * size) / targetSize - 0.5);
    const below = Math.floor(place);
    const above = Math.min(below + 1, size - 1);
    weight[i * size + below]! += 1 - (place - below);
    weight[i * size + above]! += place - below;
  }
  const toEnd = x.shape.map((_, i) => (i === x.rank - 1 ? axis : i === axis ? x.rank - 1 : i));
  const resized = linear(transpose(x, toEnd), constant(Tensor.f32([targetSize, size], weight)));
  // Exchanging two axes undoes itself.
  return transpose(resized, toEnd);
}
