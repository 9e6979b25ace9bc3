import {
  add,
  cast,
  concat,
  constant,
  cumsum,
  customGradient,
  exp,
  log,
  matmul,
  maximum,
  mul,
  neg,
  reshape,
  scan,
  slice,
  sub,
  Tensor,
  transpose,
  type Value,
  where,
  zeros,
} from "../engine/index.js";
import { unlinearActivation } from "./unlinear-activation.js";

/** The operator's inputs. H = G * Hkv query heads share Hkv memories; n virtual tokens stand for one token. */
export interface DeltaRuleInputs {
  /** Queries, [B, S, H, D]. */
  readonly q: Value;
  /** Virtual keys, [B, S, Hkv, n, D]. */
  readonly k: Value;
  /** Virtual values, [B, S, Hkv, n, D]. */
  readonly v: Value;
  /** What stays of the memory, by value channel, [B, S, Hkv, D] in (0, 1]; absent where all of it stays. */
  readonly alpha?: Value | undefined;
  /** How much is written and erased, by channel, [B, S, Hkv, D] in [0, 1]; zero at padding. */
  readonly beta: Value;
  /** The memory before the first token, [B, Hkv, D_key, D_value]; absent: zero. */
  readonly state?: Value | undefined;
}

/** Where a non-linear memory passes through its activation: after every `period` tokens of the sequence. */
export interface Unlinear {
  readonly period: number;
  /** bool [B, S]: true where a token ends a period. Absent: the tokens stand at 0, 1, 2.. */
  readonly ends?: Value | undefined;
}

/**
 * The delta rule with vector gates, chunk by chunk (Yang et al., arXiv 2406.06484; several steps a token: DeltaProduct,
 * Siems et al., arXiv 2502.10297). For each token
 *
 *     S <- S diag(alpha);  for each virtual token: S <- S + k (beta.v - (beta.k)^T S)^T;  o = q^T S.
 *
 * With C virtual tokens in a chunk, K, V, Q their rows: A = tril((beta.K) K^T, -1), T = (I + A)^-1, W = T (beta.K),
 * U = T (beta.V), R = U - W S, O = Q S + tril(Q K^T) R, S <- S + K^T R. All but R and S is computed for all chunks at
 * once. The result does not depend on the chunk length.
 *
 * @param chunkSize tokens in a chunk; see {@link chunkLength}.
 * @returns the output [B, S, H, D] and the memory after the last token [B, Hkv, D, D].
 */
export function deltaRule(
  { q, k, v, alpha, beta, state }: DeltaRuleInputs,
  chunkSize: number,
  unlinear?: Unlinear,
): { output: Value; state: Value } {
  const [batch, length, heads, dim] = q.shape as [number, number, number, number];
  const [groups, order] = k.shape.slice(2) as [number, number];
  const chunk = chunkLength(length, chunkSize, alpha !== undefined, unlinear);
  const chunks = Math.ceil(length / chunk);

  /** [B, S, Hkv, m, D] -> [N, B, Hkv, c * m, D]: tokens before virtual tokens. Tokens that fill the last chunk write nothing. */
  const perToken = (x: Value): Value => {
    const cut = reshape(padTokens(x, chunks * chunk), [batch, chunks, chunk, groups, -1, dim]);
    return reshape(transpose(cut, [1, 0, 3, 2, 4, 5]), [chunks, batch, groups, -1, dim]);
  };
  /** [B, S, G * Hkv, D] -> [N, B, Hkv, G * c, D]: heads before tokens. */
  const perHead = (x: Value): Value => {
    const cut = reshape(padTokens(x, chunks * chunk), [batch, chunks, chunk, groups, heads / groups, dim]);
    return reshape(transpose(cut, [1, 0, 3, 4, 2, 5]), [chunks, batch, groups, -1, dim]);
  };

  const decay =
    alpha && new Decay(perToken(reshape(alpha, [batch, length, groups, 1, dim])), chunk * chunks - length);
  const gate = reshape(beta, [batch, length, groups, 1, dim]);
  const Q = perHead(q);
  const K = perToken(k);
  const bK = perToken(mul(k, gate));
  const bV = perToken(mul(v, gate));

  const T = unitLowerInverse(
    masked(matmul(bK, K, { transB: true }), (i, j) => j < i, `strictly lower ${chunk * order}`),
  );
  const W = matmul(T, bK);
  const U = matmul(T, decay ? decay.write(bV, order) : bV);
  const { R, before, last } = runChunks({
    W,
    U,
    K,
    initial: state ?? zeros(q.dtype, [batch, groups, dim, dim]),
    decay,
    ends: unlinear && periodEnds(unlinear, chunks, chunk, length),
  });
  // A token sees its own virtual tokens and those of all tokens before it.
  const sees = (i: number, j: number) => Math.floor(j / order) <= i % chunk;
  const own = masked(matmul(Q, K, { transB: true }), sees, `seen ${heads / groups} ${chunk} ${order}`);
  const O = add(matmul(Q, decay ? mul(before, decay.enter) : before), matmul(own, R));

  const perQuery = reshape(O, [chunks, batch, groups, heads / groups, chunk, dim]);
  const decayed = decay ? decay.read(perQuery) : perQuery;
  const output = reshape(transpose(decayed, [1, 0, 4, 2, 3, 5]), [batch, chunks * chunk, heads, dim]);
  return { output: length < chunks * chunk ? slice(output, 1, 0, length) : output, state: last };
}

/** The chunk length that is fastest for a head size (measured, see docs/decisions). */
export const fastestChunk = (dim: number): number => (dim >= 128 ? 64 : dim >= 64 ? 32 : 16);

/** Gated chunks are short, so that the product of their gates stays far from the smallest number. */
const longestGatedChunk = 8;
/** Smaller gates count as this: what is left of a memory after it, 3e-7, is beyond single precision. */
const smallestLogGate = -15;

function chunkLength(
  length: number,
  chunkSize: number,
  gated: boolean,
  unlinear: Unlinear | undefined,
): number {
  if (unlinear?.ends) return 1;
  let chunk = gated ? Math.min(longestGatedChunk, chunkSize) : chunkSize;
  // Only between two chunks can a memory pass through its activation.
  while (unlinear && unlinear.period % chunk !== 0) chunk--;
  return Math.min(chunk, length);
}

/** Adds tokens of zeros at the end: [B, S, ..] -> [B, length, ..]. */
function padTokens(x: Value, length: number): Value {
  const missing = length - x.shape[1]!;
  return missing === 0 ? x : concat([x, zeros(x.dtype, x.shape.with(1, missing))], 1);
}

/**
 * The gates alpha inside chunks. They act on value channels only, so they commute with the erase: with L the running
 * sum of log alpha in a chunk and M its value in the middle, the chunk is computed as if there were no gates, on values
 * divided by exp(L - M), and what is read is multiplied by it. M keeps both factors in range.
 */
class Decay {
  /** What the memory is multiplied by when a chunk begins and when it ends, [N, B, Hkv, 1, D]. */
  readonly enter: Value;
  readonly leave: Value;
  /** L - M, [N, B, Hkv, c, D]. */
  readonly #relative: Value;

  /** @param alpha [N, B, Hkv, c, D]. @param filling how many tokens at the end only fill the last chunk. */
  constructor(alpha: Value, filling: number) {
    const chunk = alpha.shape[3]!;
    const chunks = alpha.shape[0]!;
    const real = Array.from({ length: chunks * chunk }, (_, i) => (i < chunks * chunk - filling ? 1 : 0));
    // The tokens that fill the last chunk came with alpha = 0; they must keep everything.
    const kept = reshape(constant(Tensor.f32([chunks * chunk], real)), [chunks, 1, 1, chunk, 1]);
    const gates = mul(log(maximum(alpha, Math.exp(smallestLogGate))), cast(kept, alpha.dtype));
    const running = cumsum(gates, 3);
    const middle = slice(running, 3, (chunk - 1) >> 1, ((chunk - 1) >> 1) + 1);
    this.enter = exp(middle);
    this.leave = exp(sub(slice(running, 3, chunk - 1, chunk), middle));
    this.#relative = sub(running, middle);
  }

  /** Values of virtual tokens, [N, B, Hkv, c * n, D], as they are written. */
  write(values: Value, order: number): Value {
    const [chunks, batch, groups, chunk, dim] = this.#relative.shape as [
      number,
      number,
      number,
      number,
      number,
    ];
    const perToken = reshape(values, [chunks, batch, groups, chunk, order, dim]);
    const factor = reshape(exp(neg(this.#relative)), [chunks, batch, groups, chunk, 1, dim]);
    return reshape(mul(perToken, factor), values.shape);
  }

  /** Outputs, [N, B, Hkv, G, c, D], as they are read. */
  read(outputs: Value): Value {
    const [chunks, batch, groups, chunk, dim] = this.#relative.shape as [
      number,
      number,
      number,
      number,
      number,
    ];
    return mul(outputs, reshape(exp(this.#relative), [chunks, batch, groups, 1, chunk, dim]));
  }
}

interface Chunks {
  readonly W: Value;
  readonly U: Value;
  readonly K: Value;
  readonly initial: Value;
  readonly decay: Decay | undefined;
  /** bool [N, B or 1, 1, 1, 1]: after which chunks the memory passes through its activation. */
  readonly ends: Value | undefined;
}

/** The part that goes from chunk to chunk: R of each, the memory before each [N, B, Hkv, D, D], and the last memory. */
function runChunks({ W, U, K, initial, decay, ends }: Chunks): { R: Value; before: Value; last: Value } {
  const step = (state: Value, [w, u, k, ...more]: readonly Value[]) => {
    const rest = [...more];
    const [enter, leave] = decay ? [rest.shift()!, rest.shift()!] : [];
    const entered = enter ? mul(state, enter) : state;
    const R = sub(u!, matmul(w!, entered));
    const written = add(entered, matmul(k!, R, { transA: true }));
    const left = leave ? mul(written, leave) : written;
    return { R, next: ends ? where(rest.shift()!, unlinearActivation(left), left) : left };
  };
  const rows = [W, U, K, ...(decay ? [decay.enter, decay.leave] : []), ...(ends ? [ends] : [])];
  if (W.shape[0] === 1) {
    const { R, next } = step(
      initial,
      rows.map((x) => reshape(x, x.shape.slice(1))),
    );
    return { R: reshape(R, U.shape), before: reshape(initial, [1, ...initial.shape]), last: next };
  }
  const {
    carry,
    before,
    rows: results,
  } = scan({
    carry: [initial],
    rows,
    body: ([state], row) => {
      const { R, next } = step(state!, row);
      return { carry: [next], rows: [R] };
    },
  });
  return { R: results[0]!, before: before[0]!, last: carry[0]! };
}

/**
 * (I + A)^-1 of strictly lower triangular A [.., C, C], by blocks of 2, 4, 8..: as stable as forward substitution. The
 * Neumann series costs the same but is not usable: keys of real models are alike, and its powers overflow.
 */
function unitLowerInverse(A: Value): Value {
  const size = A.shape.at(-1)!;
  const one = cast(constant(matrix(size, size, (i, j) => i === j, `identity ${size}`)), A.dtype);
  let T: Value = one;
  for (let half = 1; half < size; half *= 2) {
    // The lower left half of every diagonal block of twice the size.
    const inCorner = (i: number, j: number) =>
      Math.floor(i / (2 * half)) === Math.floor(j / (2 * half)) &&
      i % (2 * half) >= half &&
      j % (2 * half) < half;
    const corner = masked(A, inCorner, `corner ${size} ${half}`);
    T = sub(T, half === 1 ? corner : matmul(matmul(T, corner), T));
  }
  const inverse = T;
  // d(I + A)^-1 = -T dA T
  return customGradient(inverse, [A], (g) => [
    neg(matmul(matmul(inverse, g, { transA: true }), inverse, { transB: true })),
  ]);
}

/** bool [N, B or 1, 1, 1, 1]: after which chunks a non-linear memory passes through its activation. */
function periodEnds({ period, ends }: Unlinear, chunks: number, chunk: number, length: number): Value {
  if (ends) return reshape(transpose(ends, [1, 0]), [chunks, -1, 1, 1, 1]);
  const isEnd = Array.from(
    { length: chunks },
    (_, i) => ((i + 1) * chunk) % period === 0 && (i + 1) * chunk <= length,
  );
  return constant(new Tensor("bool", [chunks, 1, 1, 1, 1], Uint8Array.from(isEnd, Number)));
}

type Cell = (i: number, j: number) => boolean;

/** x [.., rows, columns] where the cells are wanted, else 0. `key` names the pattern. */
function masked(x: Value, cell: Cell, key: string): Value {
  return mul(x, cast(constant(matrix(x.shape.at(-2)!, x.shape.at(-1)!, cell, key)), x.dtype));
}

/** One tensor for each pattern, so that all layers of a graph share it. */
const matrices = new Map<string, Tensor>();

function matrix(rows: number, columns: number, cell: Cell, key: string): Tensor {
  let tensor = matrices.get(key);
  if (!tensor) {
    const cells = Array.from(
      { length: rows * columns },
      (_, i) => +cell(Math.floor(i / columns), i % columns),
    );
    tensor = Tensor.f32([rows, columns], cells);
    matrices.set(key, tensor);
  }
  return tensor;
}
