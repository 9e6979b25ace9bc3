import { add, equal, maximum, minimum, mul, sub, tanh, type Value, where } from "../../engine/index.js";

/**
 * Python's `soft_clamp`: clamps smoothly, so that a gradient flows everywhere: c + s tanh((x - c) / s), where c is the
 * middle of the limits and s half their distance.
 *
 * @param x any shape. @param min where it tends to for small x. @param max for large x.
 */
export function softClamp(x: Value, min = 1e-6, max = 1 - 1e-6): Value {
  const [center, scale] = [(max + min) / 2, (max - min) / 2];
  return add(mul(tanh(mul(sub(x, center), 1 / scale)), scale), center);
}

/** Python's `ensure_stability`: clamps to limits, and puts their middle in the place of what is not a number. Any shape. */
export function ensureStability(x: Value, min = -1e4, max = 1e4): Value {
  return where(equal(x, x), minimum(maximum(x, min), max), (max + min) / 2);
}
