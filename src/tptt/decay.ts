import {
  add,
  concat,
  expand,
  matmul,
  mul,
  reshape,
  scalar,
  slice,
  split,
  type Value,
} from "../engine/index.js";
import { corners, masked } from "./triangular.js";

/** Two halves of a block of tokens: what the first writes is carried to the middle, from where the second reads it. */
interface Level {
  readonly half: number;
  /** Product of the gates from the middle up to each token, itself included, [N, B, Hkv, c, D]. */
  readonly read: Value;
  /** Product of the gates after each token up to the middle, [N, B, Hkv, c, D]. */
  readonly write: Value;
}

/**
 * The forget gates alpha inside chunks. What token j wrote has been multiplied, when token i reads it, by the gates of
 * tokens j + 1 .. i. Quotients of running products would overflow; here every factor is a product of gates. Each pair
 * of tokens is served by the one block of 2, 4, 8.. tokens that has them in different halves: from j to the middle,
 * from the middle to i. Products of small gates underflow to 0, as they should.
 */
export class Decay {
  /** How much of the memory before the chunk is left at each token, [N, B, Hkv, c, D]. */
  readonly enter: Value;
  /** How much of what each token writes is left after the chunk, [N, B, Hkv, c, D]. */
  readonly leave: Value;
  /** How much of the memory before the chunk is left after it, [N, B, Hkv, 1, D]. */
  readonly whole: Value;
  readonly #levels: readonly Level[];

  /** @param alpha [N, B, Hkv, c, D], c a power of two. */
  constructor(alpha: Value) {
    const { shape } = alpha;
    const chunk = shape[3]!;
    const levels: Level[] = [];
    let read = alpha;
    let write = expand(scalar(1, alpha.dtype), shape);
    for (let half = 1; half < chunk; half *= 2) {
      levels.push({ half, read, write });
      const halves = (x: Value): [first: Value, second: Value] => {
        const blocks = reshape(x, [...shape.slice(0, 3), -1, 2, half, shape[4]!]);
        return split(blocks, 4, [1, 1]) as [Value, Value];
      };
      const join = (first: Value, second: Value) => reshape(concat([first, second], 4), shape);
      const total = (x: Value) => slice(x, 5, half - 1, half);
      const [readFirst, readSecond] = halves(read);
      const [writeFirst, writeSecond] = halves(write);
      read = join(readFirst, mul(readSecond, total(readFirst)));
      write = join(mul(writeFirst, total(readSecond)), writeSecond);
    }
    this.enter = read;
    this.leave = write;
    this.whole = slice(read, 3, chunk - 1, chunk);
    this.#levels = levels;
  }

  /**
   * Row i of the result is the sum of M[i, j] X[j], decayed from j's token to i's, over all tokens up to i's own.
   * @param M [N, B, Hkv, c * m, c * n]. @param X [N, B, Hkv, c * n, D].
   */
  matmul(M: Value, X: Value): Value {
    const chunk = this.enter.shape[3]!;
    const [m, n] = M.shape.slice(3).map((size) => size / chunk) as [number, number];
    const own = masked(M, (i, j) => Math.floor(i / m) === Math.floor(j / n), `own ${m} ${n}`);
    let sum = matmul(own, X);
    for (const { half, read, write } of this.#levels) {
      const pairs = corners(half);
      const crossing = masked(
        M,
        (i, j) => pairs(Math.floor(i / m), Math.floor(j / n)),
        `corners ${half} ${m} ${n}`,
      );
      sum = add(sum, byToken(matmul(crossing, byToken(X, write)), read));
    }
    return sum;
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
