import {
  add,
  concat,
  expand,
  matmul,
  mul,
  neg,
  reshape,
  scalar,
  scan,
  slice,
  split,
  sub,
  sum,
  transpose,
  type Value,
} from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { masked, unitLowerInverse } from "./triangular.js";
import { unlinearActivation } from "./unlinear-activation.js";

/**
 * The operator of the Python package tptt 0.12, which is not the delta rule: every token of a chunk starts from the
 * memory before the chunk, and only the last one's memory goes on. Sizes: B sequences, H query heads that share Hkv
 * memories, S tokens in N chunks of C, n steps (virtual tokens) a token, D channels a head.
 */

/** Python's `get_valid_chunk_size`: the largest divisor of `length` [tokens] that is not above `chunkSize`; 1 at least. */
export function getValidChunkSize(length: number, chunkSize: number): number {
  let size = Math.max(1, Math.min(chunkSize, length));
  while (length % size !== 0) size--;
  return size;
}

/**
 * Python's `construct_causal_forward_solver`: (I - L)^-1 of strictly lower triangular L, [.., M, M]: what carries the
 * steps of a chunk into one another (WY form of the delta rule, Yang et al., arXiv 2406.06484). Computed by blocks, as
 * stable as forward substitution.
 */
export function constructCausalForwardSolver(tri: Value): Value {
  return unitLowerInverse(neg(tri));
}

/** What {@link sequentialDeltaProductScan} is given. */
export interface DeltaProductChunks {
  /** Queries, [B, H, N, C, n, D]. */
  readonly q: Value;
  /** T (beta . k), [B, Hkv, N, C, n, D]. */
  readonly w: Value;
  /** T (beta . v), [B, Hkv, N, C, n, D]. */
  readonly u: Value;
  /** Forget gates, [B, Hkv, N, C, n, D]; absent: all ones. */
  readonly alpha?: Value | undefined;
}

/** How the memory goes on between chunks. */
export interface DeltaProductOptions {
  /** False: the memory passes through {@link unlinearActivation} after every chunk. Default true. */
  readonly linear?: boolean;
  /** The memory before the first token, [B, Hkv, n, D, D], of which the last step counts; default 1e-6 everywhere. */
  readonly initialState?: Value | undefined;
}

/**
 * Python's `sequential_delta_product_scan` (DeltaProduct, Siems et al., arXiv 2502.10297). With S the memory before the
 * chunk, each token does for its own steps j = 1 .. n
 *
 *     r = u_j - S^T w_j;  o_j = q_j . r + S^T q_j;  S <- S diag(alpha_j) + w_j r^T,
 *
 * and the last token's S is the next chunk's. No token's memory is ever written out: what a token reads of it is read
 * of S, plus products with its own earlier steps.
 *
 * @returns the outputs of all steps [B, H, N, C, n, D], and the memory after the last token [B, Hkv, D, D].
 */
export function sequentialDeltaProductScan(
  chunks: DeltaProductChunks,
  options: DeltaProductOptions = {},
): { output: Value; state: Value } {
  const steps = chunks.q.shape[4]!;
  const { outputs, state } = scanChunks(
    chunks,
    options,
    Array.from({ length: steps }, (_, j) => j),
  );
  const stacked = outputs.map((x) => reshape(x, [...x.shape.slice(0, -1), 1, x.shape.at(-1)!]));
  return { output: concat(stacked, 4), state };
}

/** What `LinearAttentionOp.chunkDeltaProductForward` is given: Python's layout. */
export interface DeltaProductInputs {
  /** Queries, [B, H, S, n, D]. */
  readonly q: Value;
  /** Keys, [B, Hkv, S, n, D]. */
  readonly k: Value;
  /** Values, [B, Hkv, S, n, D]. */
  readonly v: Value;
  /** Forget gates, [B, Hkv, S, n, D]; absent: all ones. */
  readonly alpha?: Value | undefined;
  /** Write gates, [B, Hkv, S, n, D]. */
  readonly beta: Value;
}

/**
 * Python's `chunk_delta_product_forward`: in chunks of {@link getValidChunkSize} tokens,
 * T = (I + tril((beta . K) K^T, -1))^-1 over all steps of a chunk, W = T (beta . K), U = T (beta . V), then
 * {@link sequentialDeltaProductScan}. The result depends on the chunk size.
 *
 * @param chunkSize tokens in a chunk, at most.
 * @returns the outputs after each token's last step [B, H, S, D], and the last memory [B, Hkv, D, D].
 * @throws InputError for an initial state of another shape, which Python ignores.
 */
export function chunkDeltaProductForward(
  { q, k, v, alpha, beta }: DeltaProductInputs,
  chunkSize: number,
  options: DeltaProductOptions = {},
): { output: Value; state: Value } {
  const [batch, heads, length, steps, dim] = q.shape as [number, number, number, number, number];
  const groups = k.shape[1]!;
  const chunk = getValidChunkSize(length, chunkSize);
  const chunks = length / chunk;
  const rows = chunk * steps;
  const expected = [batch, groups, steps, dim, dim];
  const given = options.initialState?.shape;
  if (given && String(given) !== String(expected))
    throw new InputError("initial_state", `has the shape [${given}], expected [${expected}]`);

  const cut = (x: Value) => reshape(x, [batch, groups, chunks, rows, dim]);
  const K = cut(k);
  const bK = mul(K, cut(beta));
  const bV = mul(cut(v), cut(beta));
  // With one row in a chunk T = 1.
  const T =
    rows > 1
      ? constructCausalForwardSolver(
          masked(matmul(bK, K, { transB: true, alpha: -1 }), (i, j) => j < i, "strictly lower"),
        )
      : undefined;
  const inChunks = (x: Value) => reshape(x, [batch, x.shape[1]!, chunks, chunk, steps, dim]);
  const { outputs, state } = scanChunks(
    {
      q: inChunks(q),
      w: inChunks(T ? matmul(T, bK) : bK),
      u: inChunks(T ? matmul(T, bV) : bV),
      alpha: alpha && inChunks(alpha),
    },
    options,
    [steps - 1],
  );
  return { output: reshape(outputs[0]!, [batch, heads, length, dim]), state };
}

/** The outputs of the wanted steps, [B, H, N, C, D] each. */
function scanChunks(
  { q, w, u, alpha }: DeltaProductChunks,
  { linear = true, initialState }: DeltaProductOptions,
  wanted: readonly number[],
): { outputs: Value[]; state: Value } {
  const [batch, heads, chunks, chunk, steps, dim] = q.shape as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const groups = w.shape[1]!;
  const start = initialState
    ? reshape(slice(initialState, 2, steps - 1, steps), [batch, groups, dim, dim])
    : expand(scalar(1e-6, q.dtype), [batch, groups, dim, dim]);

  /** [B, H, N, ..] -> [N, B, Hkv, G, ..]: the query heads of a group lie beside their one memory. */
  const byChunk = (x: Value) =>
    reshape(transpose(x, [2, 0, 1, 3, 4, 5]), [chunks, batch, groups, -1, chunk, steps, dim]);
  const written = [w, u, ...(alpha ? [alpha] : [])].map(byChunk) as [Value, Value, Value?];

  // From chunk to chunk goes what the last token makes of the memory.
  const lastTokens = written.map((x) => slice(x!, 4, chunk - 1, chunk));
  const next = (S: Value, [w, u, alpha]: readonly Value[]): Value => {
    const left = wholeMemory(S, tokenMemories(S, w!, u!, alpha).at(-1)!);
    return linear ? left : unlinearActivation(left);
  };
  const { before, last } = carryThrough(start, lastTokens, next);

  const memories = tokenMemories(before, ...written);
  const queries = byStep(byChunk(q));
  const outputs = wanted.map((j) => {
    const query = queries[j]!;
    const own = mul(query, memories[j + 1]!.written.at(-1)!.value);
    const output = add(own, readMemory(memories[j]!, query, readStart(before, query)));
    return transpose(reshape(output, [chunks, batch, heads, chunk, dim]), [1, 2, 0, 3, 4]);
  });
  return { outputs, state: last };
}

/** The memory before each row's step [N, B, Hkv, D, D], and after the last. */
function carryThrough(
  start: Value,
  rows: readonly Value[],
  next: (S: Value, row: readonly Value[]) => Value,
): { before: Value; last: Value } {
  if (rows[0]!.shape[0] === 1) {
    const row = rows.map((x) => reshape(x, x.shape.slice(1)));
    return { before: reshape(start, [1, ...start.shape]), last: next(start, row) };
  }
  const { before, carry } = scan({
    carry: [start],
    rows,
    body: ([S], row) => ({ carry: [next(S!, row)], rows: [] }),
  });
  return { before: before[0]!, last: carry[0]! };
}

/** A token's memory between two of its steps, S diag(kept) + the sum of key value^T, over the S of its chunk. */
interface TokenMemory {
  /** [.., G, C, D]; absent: all of it. */
  readonly kept?: Value | undefined;
  /** [.., G, C, D] each. */
  readonly written: readonly { readonly key: Value; readonly value: Value }[];
}

/** The memories of tokens [.., G, C, n, D] before, between and after their steps, n + 1 of them; S is [.., D, D]. */
function tokenMemories(S: Value, w: Value, u: Value, alpha: Value | undefined): TokenMemory[] {
  const values = byStep(u);
  const gates = alpha && byStep(alpha);
  const fromStart = byStep(readStart(S, w));
  const memories: TokenMemory[] = [{ written: [] }];
  for (const [j, key] of byStep(w).entries()) {
    const memory = memories[j]!;
    const value = sub(values[j]!, readMemory(memory, key, fromStart[j]!));
    const gate = gates?.[j];
    memories.push({
      kept: memory.kept && gate ? mul(memory.kept, gate) : gate,
      written: [
        ...memory.written.map((one) => (gate ? { key: one.key, value: mul(one.value, gate) } : one)),
        { key, value },
      ],
    });
  }
  return memories;
}

/** x S for rows x [.., D] over S [.., D, D]: one product for each S. */
function readStart(S: Value, x: Value): Value {
  const rows = reshape(x, [...S.shape.slice(0, -2), -1, x.shape.at(-1)!]);
  return reshape(matmul(rows, S), x.shape);
}

/** What x [.., G, C, D] reads of its token's memory; `fromStart` is what it reads of S. */
function readMemory({ kept, written }: TokenMemory, x: Value, fromStart: Value): Value {
  return written.reduce(
    (total, { key, value }) => add(total, mul(sum(mul(x, key), [-1], true), value)),
    kept ? mul(fromStart, kept) : fromStart,
  );
}

/** The memory of the one token [.., 1, 1, D] that there is, written out: [.., D, D]. */
function wholeMemory(S: Value, { kept, written }: TokenMemory): Value {
  const rows = (x: Value) => reshape(x, [...S.shape.slice(0, -2), 1, x.shape.at(-1)!]);
  const [keys, values] = (["key", "value"] as const).map((part) =>
    concat(
      written.map((one) => rows(one[part])),
      -2,
    ),
  );
  return add(kept ? mul(S, rows(kept)) : S, matmul(keys!, values!, { transA: true }));
}

/** [.., C, n, D] -> n times [.., C, D] */
function byStep(x: Value): Value[] {
  const [chunk, steps, dim] = x.shape.slice(-3) as [number, number, number];
  return split(x, -2, Array<number>(steps).fill(1)).map((one) =>
    reshape(one, [...x.shape.slice(0, -3), chunk, dim]),
  );
}
