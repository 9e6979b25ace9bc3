import {
  add,
  customGradients,
  matmul,
  mul,
  reshape,
  scan,
  sub,
  type Value,
  vjp,
  vjpAt,
  where,
} from "../../engine/index.js";
import { byToken } from "./decay.js";
import { unlinearActivation } from "./unlinear-activation.js";

/** A chunk of C rows (tokens times virtual tokens), or N chunks, with one more axis in front. */
export interface Chunk {
  /** Without forget gates beta . K, with them T (beta . K), [B, Hkv, C, D]. */
  readonly W: Value;
  /** Without forget gates beta . V, with them T (beta . V), decayed, [B, Hkv, C, D]. */
  readonly U: Value;
  /** A and T = (I + A)^-1, [B, Hkv, C, C], where W and U are without T. */
  readonly A?: Value;
  readonly T?: Value;
  /** Keys, [B, Hkv, C, D]. */
  readonly K: Value;
  /** Queries, c tokens times the heads of a group, [B, Hkv, c * G, D]. */
  readonly Q: Value;
  /** Without forget gates: how much of what the chunk writes its queries see, [B, Hkv, c * G, C]. */
  readonly P?: Value;
  /** The forget gates, see {@link Decay}; all of them or none. */
  readonly enter?: Value;
  readonly leave?: Value;
  readonly whole?: Value;
  /** bool [B or 1, 1, 1, 1]: whether the memory passes through its activation after the chunk. */
  readonly end?: Value;
}

/** What {@link chunkScan} gives. */
export interface ChunkStates {
  /** What each virtual token writes along its key, [N, B, Hkv, C, D]. */
  readonly R: Value;
  /** What the queries find of the memory before their chunk, and with P of what the chunk writes, [N, B, Hkv, c * G, D]. */
  readonly read: Value;
  /** The memory after the last chunk, [B, Hkv, D, D]. */
  readonly last: Value;
}

/** What is new in a chunk's values, beside the memory S before it: X = U - enter . (W S). */
function novel(S: Value, { W, U, enter }: Chunk): Value {
  const erased = matmul(W, S);
  return sub(U, enter ? byToken(erased, enter) : erased);
}

/** What a chunk writes along its keys: R = T X. */
function written(X: Value, { T }: Chunk): Value {
  return T ? matmul(T, X) : X;
}

/** What a chunk's queries find of the memory S before it: enter . (Q S). */
function found(S: Value, { Q, enter }: Chunk): Value {
  const read = matmul(Q, S);
  return enter ? byToken(read, enter) : read;
}

/** The memory after a chunk: whole . S + K^T (leave . R), at the end of a period through its activation. */
function next(S: Value, R: Value, { K, leave, whole, end }: Chunk): Value {
  const update = matmul(K, leave ? byToken(R, leave) : R, { transA: true });
  const left = add(whole ? mul(S, whole) : S, update);
  return end ? where(end, unlinearActivation(left), left) : left;
}

/**
 * The part of the delta rule that goes from chunk to chunk. Back through the chunks goes the gradient of the memory; what
 * needs it is computed on the way, and all other gradients for all chunks at once, from the memories before them. These
 * are kept only where a gradient reads them.
 *
 * @param chunks N chunks. @param initial the memory before the first, [B, Hkv, D, D].
 */
export function chunkScan(chunks: Chunk, initial: Value): ChunkStates {
  const { A, ...rest } = chunks;
  const { P } = rest;
  const names = Object.keys(rest) as (keyof Chunk)[];
  const values = Object.values(rest);
  const chunkOf = (row: readonly Value[]) =>
    Object.fromEntries(names.map((name, i) => [name, row[i]!])) as unknown as Chunk;
  const step = (S: Value, chunk: Chunk) => {
    const R = written(novel(S, chunk), chunk);
    const before = found(S, chunk);
    const read = chunk.P ? add(before, matmul(chunk.P, R)) : before;
    return { R, read, last: next(S, R, chunk) };
  };

  if (chunks.W.shape[0] === 1) {
    const { R, read, last } = step(initial, chunkOf(values.map((x) => reshape(x, x.shape.slice(1)))));
    return { R: reshape(R, chunks.U.shape), read: reshape(read, chunks.Q.shape), last };
  }

  const forward = scan({
    carry: [initial],
    rows: values,
    body([S], row) {
      const { R, read, last } = step(S!, chunkOf(row));
      return { carry: [last], rows: [R, read] };
    },
  });
  const [savedR, savedRead] = forward.rows as [Value, Value];
  const saved = forward.before[0]!;
  // Of a chunk's values the memory after it depends on these, beside R.
  const toMemory = names.flatMap((name, i) => (["K", "leave", "whole"].includes(name) ? [i] : []));
  const [R, read, last] = customGradients(
    [savedR, savedRead, forward.carry[0]!],
    [initial, ...(A ? [A] : []), ...values],
    ([gOwn, gRead, gLast]) => {
      // With P nothing else reads R.
      const gR = P ? matmul(P, gRead!, { transA: true }) : gOwn!;
      const backward = scan({
        carry: [gLast!],
        rows: [saved, savedR, gR, gRead!, ...values],
        reverse: true,
        body([gNext], [S, R, gR, gRead, ...row]) {
          const chunk = chunkOf(row);
          const inputs = [S!, R!, ...toMemory.map((i) => row[i]!)];
          const [fromNext, toR, ...own] = vjp([next(S!, R!, chunk)], [gNext!], inputs);
          const X = novel(S!, chunk);
          const [gX] = vjp([written(X, chunk)], [add(gR!, toR!)], [X]);
          const [toS] = vjp([X, found(S!, chunk)], [gX!, gRead!], [S!]);
          return { carry: [add(fromNext!, toS!)], rows: [gX!, ...own.map((g) => g!)] };
        },
      });
      const [gX, ...own] = backward.rows as [Value, ...Value[]];
      const before = vjpAt((x) => [novel(saved, chunkOf(x)), found(saved, chunkOf(x))], values, [gX, gRead!]);
      // From (I + A) R = X: what T X gives to A needs no gradient of T.
      const toA = A ? [matmul(gX, savedR, { transB: true, alpha: -1 })] : [];
      const toP = P && matmul(gRead!, savedR, { transB: true });
      const toValue = (name: keyof Chunk, i: number) =>
        name === "P" ? toP : (before[i] ?? own[toMemory.indexOf(i)]);
      return [backward.carry[0], ...toA, ...names.map(toValue)];
    },
  );
  return { R: R!, read: read!, last: last! };
}
