import { add, div, gelu, maximum, mul, sqrt, sum, type Value } from "../../engine/index.js";

/**
 * Python's `unlinear_activation`: (x / scale) gelu(scale x / |x|), the norm over the last axis: what a non-linear memory
 * passes through between chunks. Any shape.
 */
export function unlinearActivation(x: Value, scale = 2): Value {
  // At 0 the norm has no gradient: nothing flows through it there.
  const norm = add(sqrt(maximum(sum(mul(x, x), [-1], true), 1e-30)), 1e-6);
  return mul(div(x, scale), gelu(div(mul(x, scale), norm)));
}
