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
  /** T (beta . K), [B, Hkv, C, D]. */
  readonly W: Value;
  /** T (beta . V), decayed, [B, Hkv, C, D]. */
  readonly U: Value;
  /** Keys, [B, Hkv, C, D]. */
  readonly K: Value;
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
  /** The memory before each chunk, [N, B, Hkv, D, D]. */
  readonly before: Value;
  /** The memory after the last chunk, [B, Hkv, D, D]. */
  readonly last: Value;
}

/** What a chunk writes into the memory S: R = U - enter . (W S). */
function written(S: Value, { W, U, enter }: Chunk): Value {
  const erased = matmul(W, S);
  return sub(U, enter ? byToken(erased, enter) : erased);
}

/** The memory after a chunk: whole . S + K^T (leave . R), at the end of a period through its activation. */
function next(S: Value, R: Value, { K, leave, whole, end }: Chunk): Value {
  const update = matmul(K, leave ? byToken(R, leave) : R, { transA: true });
  const left = add(whole ? mul(S, whole) : S, update);
  return end ? where(end, unlinearActivation(left), left) : left;
}

/**
 * The part of the delta rule that goes from chunk to chunk. Back through the chunks goes nothing but the gradient of
 * the memory: with that of each chunk known, the gradients of all inputs are computed for all chunks at once.
 *
 * @param chunks N chunks. @param initial the memory before the first, [B, Hkv, D, D].
 */
export function chunkScan(chunks: Chunk, initial: Value): ChunkStates {
  const names = Object.keys(chunks) as (keyof Chunk)[];
  const values = Object.values(chunks) as Value[];
  const chunkOf = (row: readonly Value[]) =>
    Object.fromEntries(names.map((name, i) => [name, row[i]!])) as unknown as Chunk;

  if (chunks.W.shape[0] === 1) {
    const chunk = chunkOf(values.map((x) => reshape(x, x.shape.slice(1))));
    const R = written(initial, chunk);
    return {
      R: reshape(R, chunks.U.shape),
      before: reshape(initial, [1, ...initial.shape]),
      last: next(initial, R, chunk),
    };
  }

  const forward = scan({
    carry: [initial],
    rows: values,
    body([S], row) {
      const chunk = chunkOf(row);
      const R = written(S!, chunk);
      return { carry: [next(S!, R, chunk)], rows: [R] };
    },
  });
  const [savedR, saved] = [forward.rows[0]!, forward.before[0]!];
  const [R, before, last] = customGradients(
    [savedR, saved, forward.carry[0]!],
    [initial, ...values],
    ([gR, gBefore, gLast]) => {
      const backward = scan({
        carry: [gLast!],
        rows: [saved, savedR, gR!, gBefore!, ...values],
        reverse: true,
        body([gNext], [S, R, gR, gBefore, ...row]) {
          const chunk = chunkOf(row);
          const [fromNext, toR] = vjp([next(S!, R!, chunk)], [gNext!], [S!, R!]);
          const gWritten = add(gR!, toR!);
          const [fromR] = vjp([written(S!, chunk)], [gWritten], [S!]);
          return { carry: [add(add(fromNext!, fromR!), gBefore!)], rows: [gWritten] };
        },
      });
      const toWritten = vjpAt((x) => [written(saved, chunkOf(x))], values, [backward.rows[0]!]);
      const toNext = vjpAt((x) => [next(saved, savedR, chunkOf(x))], values, [backward.before[0]!]);
      return [backward.carry[0], ...values.map((_, i) => toWritten[i] ?? toNext[i])];
    },
  );
  return { R: R!, before: before!, last: last! };
}
