import {
  add,
  cast,
  constant,
  exp,
  log,
  matmul,
  maximum,
  mul,
  reshape,
  slice,
  split,
  type Value,
} from "../../engine/index.js";
import { corners, masked, pattern } from "./triangular.js";

/** Blocks of tokens that share one reference point. */
const block = 8;
/** Smaller gates count as this, which is nothing in single precision; four of them divide without overflow. */
const smallestGate = 1e-8;

/** Over pairs of tokens: how often the gate of token t is a factor of something at token i; -1 is a divisor. */
type Exponent = (i: number, t: number) => number;

/** Two factors for the pairs of tokens that one product serves. */
interface Factors {
  readonly read: Value;
  readonly write: Value;
}

/**
 * The forget gates alpha inside chunks. What token j wrote has been multiplied, when token i reads it, by the gates of
 * tokens j + 1 .. i: a factor of j times a factor of i, both relative to a point between them. Inside blocks of 8
 * tokens this is the middle of the block, and one of the factors may be a quotient. Running quotients over longer
 * stretches would overflow, so every pair of tokens of different blocks is served by the one block of 16, 32.. tokens
 * that has them in different halves: from j to the middle, from the middle to i, both products of gates.
 */
export class Decay {
  /** How much of the memory before the chunk is left at each token, [N, B, Hkv, c, D]. */
  readonly enter: Value;
  /** How much of what each token writes is left after the chunk, [N, B, Hkv, c, D]. */
  readonly leave: Value;
  /** How much of the memory before the chunk is left after it, [N, B, Hkv, 1, D]. */
  readonly whole: Value;
  readonly #near: Factors;
  readonly #far: readonly (Factors & { readonly half: number })[];

  /** @param alpha [N, B, Hkv, c, D] */
  constructor(alpha: Value) {
    const chunk = alpha.shape[3]!;
    const halves: number[] = [];
    for (let half = block; half < chunk; half *= 2) halves.push(half);

    const upTo = (from: number, i: number, t: number) => Number(from <= t && t <= i);
    const after = (i: number, end: number, t: number) => Number(i < t && t < end);
    const middle = (i: number, half: number) => Math.floor(i / (2 * half)) * 2 * half + half;
    const near: Exponent = (i, t) => {
      const m = middle(i, block / 2);
      return i < m ? -after(i, m, t) : upTo(m, i, t);
    };
    const exponents: Exponent[] = [
      (i, t) => upTo(0, i, t),
      (i, t) => after(i, chunk, t),
      near,
      (i, t) => -near(i, t),
      ...halves.flatMap((half): Exponent[] => [
        (i, t) => upTo(middle(i, half), i, t),
        (i, t) => after(i, middle(i, half), t),
      ]),
    ];

    // All factors at once: exp(exponents log alpha).
    const matrix = pattern(
      exponents.length * chunk,
      chunk,
      (row, t) => exponents[Math.floor(row / chunk)]!(row % chunk, t),
      "gates",
    );
    const logs = matmul(cast(constant(matrix), alpha.dtype), log(maximum(alpha, smallestGate)));
    const factors = split(exp(logs), 3, Array<number>(exponents.length).fill(chunk));
    const [enter, leave, read, write, ...far] = factors as [Value, Value, Value, Value, ...Value[]];
    this.enter = enter;
    this.leave = leave;
    this.whole = slice(enter, 3, chunk - 1, chunk);
    this.#near = { read, write };
    this.#far = halves.map((half, i) => ({ half, read: far[2 * i]!, write: far[2 * i + 1]! }));
  }

  /**
   * Row i of the result is the sum of M[i, j] X[j], decayed from j's token to i's, over all tokens up to i's own.
   * @param M [N, B, Hkv, c * m, c * n]. @param X [N, B, Hkv, c * n, D].
   */
  matmul(M: Value, X: Value): Value {
    const chunk = this.enter.shape[3]!;
    const [m, n] = M.shape.slice(3).map((size) => size / chunk) as [number, number];
    const part = ({ read, write }: Factors, pairs: (i: number, j: number) => boolean, key: string) => {
      const wanted = masked(M, (i, j) => pairs(Math.floor(i / m), Math.floor(j / n)), `${key} ${m} ${n}`);
      return byToken(matmul(wanted, byToken(X, write)), read);
    };
    const together = (i: number, j: number) => Math.floor(i / block) === Math.floor(j / block) && j <= i;
    return this.#far.reduce(
      (sum, factors) => add(sum, part(factors, corners(factors.half), `corners ${factors.half}`)),
      part(this.#near, together, "together"),
    );
  }
}

/** Rows x [.., c * m, D] times one factor for each token, [.., c, D] or [.., 1, D]. */
export function byToken(x: Value, factor: Value): Value {
  const lead = factor.shape.slice(0, -2);
  const [tokens, dim] = factor.shape.slice(-2) as [number, number];
  if (x.shape.at(-2) === tokens || tokens === 1) return mul(x, factor);
  const rows = reshape(x, [...x.shape.slice(0, -2), tokens, -1, dim]);
  return reshape(mul(rows, reshape(factor, [...lead, tokens, 1, dim])), x.shape);
}
