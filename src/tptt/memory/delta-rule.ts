import {
  add,
  concat,
  constant,
  expand,
  gather,
  logicalAnd,
  matmul,
  mul,
  reshape,
  scalar,
  slice,
  split,
  sub,
  Tensor,
  transpose,
  type Value,
  zeros,
} from "../../engine/index.js";
import { chunkScan } from "./chunk-scan.js";
import { byToken, Decay } from "./decay.js";
import { belowDiagonal, masked, unitLowerInverse } from "./triangular.js";

/** The operator's inputs. H = G * Hkv query heads share Hkv memories; n virtual tokens stand for one token. */
export interface DeltaRuleInputs {
  /** Queries, [B, S, H, D]. */
  readonly q: Value;
  /** Virtual keys, [B, S, Hkv, n, D]. */
  readonly k: Value;
  /** Virtual values, [B, S, Hkv, n, D]. */
  readonly v: Value;
  /** What stays of the memory, by value channel, [B, S, Hkv, D] in [0, 1]; absent where all of it stays. */
  readonly alpha?: Value | undefined;
  /** How much is written and erased, by channel, [B, S, Hkv, D] in [0, 1]; zero at padding. */
  readonly beta: Value;
  /** The memory before the first token, [B, Hkv, D_key, D_value]; absent: zero. */
  readonly state?: Value | undefined;
}

/** A non-linear memory passes through its activation after every `period` tokens. */
export interface Unlinear {
  readonly period: number;
  /** bool [B, S / period, rounded down]: which periods are complete. Absent: all. */
  readonly complete?: Value | undefined;
}

/**
 * The delta rule with vector gates, chunk by chunk (Yang et al., arXiv 2406.06484; several steps a token: DeltaProduct,
 * Siems et al., arXiv 2502.10297). For each token
 *
 *     S <- S diag(alpha);  for each virtual token: S <- S + k (beta.v - (beta.k)^T S)^T;  o = q^T S.
 *
 * With C virtual tokens in a chunk, K, V, Q their rows: A = tril((beta.K) K^T, -1), T = (I + A)^-1,
 * R = T (beta.V - (beta.K) S), O = Q S + tril(Q K^T) R, S <- S + K^T R. Only R, O and S are computed chunk by chunk,
 * all else for all chunks at once. With forget gates R = U - W S, W = T (beta.K), U = T (beta.V), both decayed
 * ({@link Decay}). The result does not depend on the chunk length.
 *
 * @param chunkSize tokens in a chunk, at most.
 * @returns the output [B, S, H, D] and the memory after the last token [B, Hkv, D, D].
 */
export function deltaRule(
  { q, k, v, alpha, beta, state }: DeltaRuleInputs,
  chunkSize: number,
  unlinear?: Unlinear,
): { output: Value; state: Value } {
  const [batch, length, heads, dim] = q.shape as [number, number, number, number];
  const [groups, order] = k.shape.slice(2) as [number, number];
  const group = heads / groups;
  if (length === 1 && !unlinear) return oneToken({ q, k, v, alpha, beta, state });
  const periodic = unlinear && unlinear.period <= length ? unlinear : undefined;
  const chunk = chunkLength(length, chunkSize, periodic?.period);
  const chunks = Math.ceil(length / chunk);

  /** [B, S, Hkv, m, D] -> [N, B, Hkv, c * m, D]. Tokens that fill the last chunk write nothing. */
  const cut = (x: Value, filling = 0): Value => {
    const whole = reshape(padTokens(x, chunks * chunk, filling), [batch, chunks, chunk, groups, -1, dim]);
    return reshape(transpose(whole, [1, 0, 3, 2, 4, 5]), [chunks, batch, groups, -1, dim]);
  };
  const perToken = (x: Value) => reshape(x, [batch, length, groups, 1, dim]);
  const gate = cut(perToken(beta));
  const Q = cut(reshape(q, [batch, length, groups, group, dim]));
  const K = cut(k);
  const bK = byToken(K, gate);
  const bV = byToken(cut(v), gate);
  const decay = alpha && new Decay(cut(perToken(alpha), 1));

  // With one virtual token in a chunk T = 1.
  const A = chunk * order > 1 ? belowDiagonal(matmul(bK, K, { transB: true })) : undefined;
  const T = A && unitLowerInverse(A);
  const scores = matmul(Q, K, { transB: true });
  // A token sees its own virtual tokens and those of all tokens before it.
  const sees = (i: number, j: number) => Math.floor(j / order) <= Math.floor(i / group);
  const { R, read, last } = chunkScan(
    {
      ...(T && decay ? { W: matmul(T, bK), U: decay.matmul(T, bV) } : { W: bK, U: bV }),
      ...(T && !decay ? { A: A!, T } : {}),
      K,
      Q,
      ...(decay
        ? { enter: decay.enter, leave: decay.leave, whole: decay.whole }
        : { P: masked(scores, sees, `sees ${group} ${order}`) }),
      ...(periodic ? { end: periodEnds(periodic, chunks, chunk, length) } : {}),
    },
    state ?? zeros(q.dtype, [batch, groups, dim, dim]),
  );
  const O = decay ? add(read, decay.matmul(scores, R)) : read;

  const rows = transpose(reshape(O, [chunks, batch, groups, chunk, group, dim]), [1, 0, 3, 2, 4, 5]);
  const output = reshape(rows, [batch, chunks * chunk, heads, dim]);
  return { output: length < chunks * chunk ? slice(output, 1, 0, length) : output, state: last };
}

/** The formula itself, for a token: while decoding, a chunk of one would be three times as many nodes. */
function oneToken({ q, k, v, alpha, beta, state }: DeltaRuleInputs): { output: Value; state: Value } {
  const [batch, , groups, order, dim] = k.shape as [number, number, number, number, number];
  const row = (x: Value) => reshape(x, [batch, groups, -1, dim]);
  const virtual = (x: Value) =>
    split(
      row(x),
      2,
      Array.from({ length: order }, () => 1),
    );
  const [keys, values, write] = [virtual(k), virtual(v), row(beta)];
  let S = state ?? zeros(q.dtype, [batch, groups, dim, dim]);
  if (alpha) S = mul(S, row(alpha));
  for (const [j, key] of keys.entries()) {
    const R = sub(mul(write, values[j]!), matmul(mul(write, key), S));
    S = add(S, matmul(key, R, { transA: true }));
  }
  return { output: reshape(matmul(row(q), S), q.shape), state: S };
}

/** How many tokens of `order` virtual tokens make the fastest chunk for a head size (measured, see docs/decisions). */
export function fastestChunk(dim: number, order: number): number {
  const rows = dim >= 256 ? 64 : dim >= 128 ? 32 : 16;
  return Math.max(1, Math.floor(rows / order));
}

/** Tokens in a chunk. Only between two chunks can a memory pass through its activation. */
function chunkLength(length: number, chunkSize: number, period = 0): number {
  let chunk = Math.min(chunkSize, length);
  while (period % chunk !== 0) chunk--;
  return chunk;
}

/** Adds tokens at the end: [B, S, ..] -> [B, length, ..]. */
function padTokens(x: Value, length: number, filling: number): Value {
  const missing = length - x.shape[1]!;
  return missing === 0 ? x : concat([x, expand(scalar(filling, x.dtype), x.shape.with(1, missing))], 1);
}

/** bool [N, B or 1, 1, 1, 1]: after which chunks a non-linear memory passes through its activation. */
function periodEnds({ period, complete }: Unlinear, chunks: number, chunk: number, length: number): Value {
  const periods = Math.floor(length / period);
  const tokens = Array.from({ length: chunks }, (_, i) => (i + 1) * chunk);
  const ends = tokens.map((n) => Number(n % period === 0 && n <= length));
  const known = constant(new Tensor("bool", [chunks, 1], Uint8Array.from(ends)));
  if (!complete) return reshape(known, [chunks, 1, 1, 1, 1]);
  const rows = tokens.map((n) => Math.min(Math.ceil(n / period), periods) - 1);
  const reached = gather(transpose(complete, [1, 0]), constant(Tensor.int64([chunks], rows)));
  return reshape(logicalAnd(known, reached), [chunks, -1, 1, 1, 1]);
}
