import {
  add,
  concat,
  constant,
  flip,
  mul,
  reshape,
  slice,
  split,
  Tensor,
  type Value,
  zeros,
} from "../../engine/index.js";
import { InputError } from "../../errors.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import type { Trick } from "../config/operator-config.js";
import { precede, type Tailed, tail } from "./tail.js";

/**
 * Expands every token into n virtual tokens, the Householder steps of DeltaProduct (Siems et al., arXiv 2502.10297;
 * the tricks: TPTT, arXiv 2506.17671).
 */
export class VirtualTokenExpander {
  readonly n: number;
  readonly mode: Trick;

  constructor(n: number, mode: Trick) {
    if (!(Number.isInteger(n) && n > 0))
      throw new InputError("order", `is ${n}, expected a positive integer`);
    this.n = n;
    this.mode = mode;
  }

  /** How many earlier tokens a virtual token looks back on. */
  get lookback(): number {
    return this.#lookback(this.mode);
  }

  #lookback(mode: Trick): number {
    return mode === "dt" || mode === "rdt" ? this.n - 1 : 0;
  }

  /**
   * Makes every token n.
   *
   * @param x [B, S, H, D], zero at padding. @param past the tail that an earlier call gave, [B, n - 1, H, D].
   * @param force another trick, for this call.
   * @returns the virtual tokens [B, S, H, n, D], and the last n - 1 tokens for the next call if they are needed.
   */
  forward(
    x: Value,
    context: ForwardContext,
    past?: Value,
    force: Trick = this.mode,
  ): Partial<Tailed> & { readonly value: Value } {
    const lookback = this.#lookback(force);
    const before = lookback > 0 ? (past ?? zeros(x.dtype, x.shape.with(1, lookback))) : undefined;
    const extended = before ? precede(before, x, context) : x;
    return {
      value: this.#expand(x, extended, force),
      ...(before ? { tail: tail(extended, lookback, context) } : {}),
    };
  }

  #expand(x: Value, extended: Value, mode: Trick): Value {
    if (this.n === 1) return stack([x]);
    switch (mode) {
      case "dt":
        return this.#derivative(extended);
      case "rot":
        return this.#rotation(x);
      case "rdt":
        return mul(add(this.#derivative(extended), this.#rotation(x)), 0.5);
      case "cte":
        return stack(Array.from({ length: this.n }, () => x));
    }
  }

  /** Virtual token j is x[t - j] times the binomial coefficient c[n - 1 - j], their absolute sum being 1. */
  #derivative(extended: Value): Value {
    const { n } = this;
    const length = extended.shape[1]! - (n - 1);
    const coefficients = Array.from({ length: n }, (_, i) => (-1) ** i * binomial(n - 1, i) * 2 ** (1 - n));
    return stack(
      Array.from({ length: n }, (_, j) => {
        const lagged = slice(extended, 1, n - 1 - j, n - 1 - j + length);
        return mul(lagged, coefficients[n - 1 - j]!);
      }),
    );
  }

  /** Virtual token m has its channel pairs (0, 1), (2, 3).. turned by 2 pi m / n; an odd last channel stays. */
  #rotation(x: Value): Value {
    const { n } = this;
    const dim = x.shape.at(-1)!;
    const even = dim - (dim % 2);
    const [pairs, rest] = even < dim ? split(x, -1, [even, 1]) : [x];
    const split2 = reshape(pairs!, [...x.shape.slice(0, -1), even / 2, 2]);
    // (x0, x1) -> (-x1, x0): a quarter turn.
    const quarter = reshape(mul(flip(split2, -1), constant(Tensor.f32([2], [-1, 1]))), pairs!.shape);
    return stack(
      Array.from({ length: n }, (_, m) => {
        const angle = (2 * Math.PI * m) / n;
        const turned = add(mul(pairs!, Math.cos(angle)), mul(quarter, Math.sin(angle)));
        return rest ? concat([turned, rest], -1) : turned;
      }),
    );
  }
}

/** Joins virtual tokens [B, S, H, D] along a new axis: [B, S, H, n, D]. */
const stack = (tokens: readonly Value[]): Value =>
  concat(
    tokens.map((x) => reshape(x, [...x.shape.slice(0, -1), 1, x.shape.at(-1)!])),
    -2,
  );

const binomial = (n: number, k: number): number => (k === 0 ? 1 : (binomial(n, k - 1) * (n - k + 1)) / k);
