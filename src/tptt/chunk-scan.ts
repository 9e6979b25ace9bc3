import {
  add,
  customGradients,
  matmul,
  mul,
  neg,
  reshape,
  scan,
  sub,
  sum,
  type Value,
  vjp,
  where,
} from "../engine/index.js";
import { byToken, type Decay } from "./decay.js";
import { unlinearActivation } from "./unlinear-activation.js";

/** The chunks of a sequence. N chunks of C rows (tokens times virtual tokens). */
export interface Chunks {
  /** T (beta . K) and the decayed T (beta . V), [N, B, Hkv, C, D]. */
  readonly W: Value;
  readonly U: Value;
  /** Keys, [N, B, Hkv, C, D]. */
  readonly K: Value;
  /** The memory before the first chunk, [B, Hkv, D, D]. */
  readonly initial: Value;
  readonly decay?: Decay | undefined;
  /** bool [N, B or 1, 1, 1, 1]: after which chunks the memory passes through its activation. Absent: none. */
  readonly ends?: Value | undefined;
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

/**
 * The part of the delta rule that goes from chunk to chunk: R = U - enter . (W S); S <- whole . S + K^T (leave . R).
 * Only two products are left to it. Its gradient is written by hand: it goes back through the chunks with two products
 * as well, and all others are done for all chunks at once.
 */
export function chunkScan(chunks: Chunks): ChunkStates {
  const { W, U, K, initial, decay, ends } = chunks;
  const gates = decay ? [decay.enter, decay.leave, decay.whole] : [];
  const rows = [W, U, K, ...gates, ...(ends ? [ends] : [])];
  if (W.shape[0] === 1) {
    const { R, next } = step(
      initial,
      rows.map((x) => reshape(x, x.shape.slice(1))),
      chunks,
    );
    return { R: reshape(R, U.shape), before: reshape(initial, [1, ...initial.shape]), last: next };
  }
  const forward = scan({
    carry: [initial],
    rows,
    body([S], row) {
      const { R, next } = step(S!, row, chunks);
      return { carry: [next], rows: [R] };
    },
  });
  const states = { R: forward.rows[0]!, before: forward.before[0]!, last: forward.carry[0]! };
  const sources = [W, U, K, initial, ...gates];
  const [R, before, last] = customGradients(
    [states.R, states.before, states.last],
    sources,
    ([gR, gBefore, gLast]) => gradient(chunks, states, gR!, gBefore!, gLast!),
  );
  return { R: R!, before: before!, last: last! };
}

type Structure = Pick<Chunks, "decay" | "ends">;

/** Names what a row holds: the gates and the period's end are there only when the chunks have them. */
function named([W, U, K, ...more]: readonly Value[], { decay, ends }: Structure) {
  const [enter, leave, whole] = decay ? more : [];
  return { W: W!, U: U!, K: K!, enter, leave, whole, end: ends && more.at(-1) };
}

/** One chunk: what it writes, and the memory after it. */
function step(S: Value, row: readonly Value[], structure: Structure): { R: Value; next: Value } {
  const { W, U, K, enter, leave, whole, end } = named(row, structure);
  const read = matmul(W, S);
  const R = sub(U, enter ? byToken(read, enter) : read);
  const left = after(S, R, K, leave, whole);
  return { R, next: end ? where(end, unlinearActivation(left), left) : left };
}

/** The memory after a chunk, before any activation. */
function after(S: Value, R: Value, K: Value, leave: Value | undefined, whole: Value | undefined): Value {
  return add(whole ? mul(S, whole) : S, matmul(K, leave ? byToken(R, leave) : R, { transA: true }));
}
