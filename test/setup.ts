import { expect } from "vitest";
import { Tensor } from "../src/engine/tensor.js";

type Numbers = Tensor | ArrayLike<number>;

interface Tolerance {
  /** Allowed |difference| relative to |expected|. */
  rtol?: number;
  /** Allowed |difference|. */
  atol?: number;
}

interface TensorMatchers<R = unknown> {
  /** Every element within `atol + rtol * |expected|`; prints the worst one. A NaN never passes. */
  toBeCloseToTensor(expected: Numbers, tolerance?: Tolerance): R;
}

declare module "vitest" {
  // biome-ignore lint/suspicious/noExplicitAny: vitest's own declaration has this parameter
  interface Assertion<T = any> extends TensorMatchers<T> {}
}

const values = (x: Numbers): number[] => Array.from(x instanceof Tensor ? x.data : x, Number);

expect.extend({
  toBeCloseToTensor(received: Numbers, expected: Numbers, { rtol = 1e-5, atol = 1e-6 }: Tolerance = {}) {
    const got = values(received);
    const want = values(expected);
    if (got.length !== want.length) {
      return { pass: false, message: () => `expected ${want.length} elements, got ${got.length}` };
    }
    let worst = -1;
    let excess = 0;
    for (let i = 0; i < want.length; i++) {
      const over = Math.abs(got[i]! - want[i]!) / (atol + rtol * Math.abs(want[i]!));
      if (!(over <= 1) && !(over <= excess)) {
        worst = i;
        excess = Number.isNaN(over) ? Number.POSITIVE_INFINITY : over;
      }
    }
    return {
      pass: worst < 0,
      message: () =>
        `element ${worst}: expected ${want[worst]}, got ${got[worst]} (${excess.toPrecision(3)} times the tolerance rtol ${rtol}, atol ${atol})`,
    };
  },
});
