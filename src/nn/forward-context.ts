import {
  add,
  cast,
  concat,
  constant,
  cumsum,
  equal,
  expand,
  greaterEqual,
  less,
  logicalAnd,
  max,
  neg,
  reshape,
  slice,
  sub,
  sum,
  Tensor,
  type Value,
  where,
} from "../engine/index.js";

/** Added to the attention score of a key that must not be seen: exp gives 0, and a row of nothing else gives no NaN. */
const hidden = -1e30;

/** What a layer remembers of earlier tokens for softmax attention: a ring of slots. */
export interface PastKeyValues {
  /** [B, Hkv, slots, D], rotated. */
  readonly key: Value;
  /** [B, Hkv, slots, D] */
  readonly value: Value;
  /** int64 [B, slots]: the position of the token in each slot, -1 where the slot is empty. */
  readonly positions: Value;
}

/** A sequence's continuation: what came before it. */
export interface Past {
  /** int64 [B]: how many tokens each row has seen. */
  readonly seen: Value;
  /** By layer; none for a layer that keeps no keys. */
  readonly layers: readonly (PastKeyValues | undefined)[];
}

/** What a {@link ForwardContext} is made from. */
export interface ForwardContextOptions {
  readonly batch: number;
  readonly length: number;
  /** bool [B, S], true at real tokens; absent when all are. */
  readonly mask?: Value | undefined;
  readonly past?: Past | undefined;
  /** False: a token sees those after it too. Default true. */
  readonly causal?: boolean;
  /** Gradient checkpointing: keep what passes between layers, and little else. */
  readonly checkpointing?: boolean;
}

/**
 * What every layer of one forward pass shares: where the tokens stand, which of them are real, and what came before.
 * Padding may be on either side; a padded token has the position -1, is seen by nobody, and its own output is void.
 */
export class ForwardContext {
  readonly batch: number;
  readonly length: number;
  /** bool [B, S], true at real tokens; undefined when all are. */
  readonly mask: Value | undefined;
  /** int64 [B, S]; undefined when token t of every row stands at t. */
  readonly positions: Value | undefined;
  readonly past: Past | undefined;
  readonly causal: boolean;
  readonly checkpointing: boolean;
  /** The keys and values of this pass by layer, [B, Hkv, S, D]: what a cache adds. */
  readonly written: { readonly key: Value; readonly value: Value }[] = [];
  readonly #memo = new Map<unknown, unknown>();

  constructor(options: ForwardContextOptions) {
    const { batch, length, mask, past, causal = true, checkpointing = false } = options;
    this.batch = batch;
    this.length = length;
    this.mask = mask;
    this.past = past;
    this.causal = causal;
    this.checkpointing = checkpointing;
    if (mask || past) {
      const real = mask ? cast(mask, "int64") : constant(Tensor.int64([1, 1], [1]));
      const order = sub(cumsum(expand(real, [this.batch, this.length]), 1), 1);
      const position = past ? add(order, reshape(past.seen, [-1, 1])) : order;
      this.positions = mask ? where(mask, position, -1) : position;
    }
  }

  /** Computes something once for all layers. */
  memo<T>(key: unknown, compute: () => T): T {
    if (!this.#memo.has(key)) this.#memo.set(key, compute());
    return this.#memo.get(key) as T;
  }

  /** Number of real tokens in each row, int64 [B]. */
  get count(): Value {
    const { batch, length, mask } = this;
    if (!mask) return constant(Tensor.int64([batch], Array<number>(batch).fill(length)));
    return this.memo("count", () => sum(cast(mask, "int64"), [1]));
  }

  /** Index of the first real token of each row, int64 [B]; 0 where there is none. */
  get start(): Value {
    return this.memo("start", () => {
      const behind = this.#largest((t) => this.length - t);
      return where(equal(behind, 0), 0, sub(this.length, behind));
    });
  }

  /** Index after the last real token of each row, int64 [B]; 0 where there is none. */
  get end(): Value {
    return this.memo("end", () => this.#largest((t) => t + 1));
  }

  /** The largest f(t) > 0 over the real tokens of each row, else 0. */
  #largest(f: (t: number) => number): Value {
    const { batch, length, mask } = this;
    const values = constant(
      Tensor.int64(
        [1, length],
        Array.from({ length }, (_, t) => f(t)),
      ),
    );
    return max(mask ? where(mask, values, 0) : expand(values, [batch, length]), [1]);
  }

  /**
   * What is added to attention scores: 0 where a token (row) may see a key (column), -1e30 elsewhere.
   * A token sees itself and those before it, the last `window` of them; without `causal` likewise those after it.
   * [B or 1, 1, S, keys]
   */
  bias(window = Number.POSITIVE_INFINITY, past?: PastKeyValues): Value {
    return this.memo(`bias ${window} ${past?.positions.node.id}`, () => {
      const positions = this.tokenPositions;
      return this.#bias(positions, past ? concat([past.positions, positions], 1) : positions, window);
    });
  }

  /** The same for the tokens from..to of a pass without a past, over the keys up to `to`. */
  biasOf(from: number, to: number, window: number): Value {
    return this.memo(`bias ${window} of ${from}..${to}`, () => {
      const positions = this.tokenPositions;
      return this.#bias(slice(positions, 1, from, to), slice(positions, 1, 0, to), window);
    });
  }

  /** Positions of all tokens, int64 [B or 1, S]; -1 at padding. */
  get tokenPositions(): Value {
    const { positions, length } = this;
    return (
      positions ??
      this.memo("positions", () => {
        const indices = Array.from({ length }, (_, t) => t);
        return constant(Tensor.int64([1, length], indices));
      })
    );
  }

  /** Of tokens and keys by their positions, [B or 1, T] and [B or 1, keys]. */
  #bias(own: Value, keys: Value, window: number): Value {
    const { causal } = this;
    return bias(reshape(own, [-1, 1, own.shape[1]!, 1]), reshape(keys, [-1, 1, 1, keys.shape[1]!]), {
      window,
      causal,
    });
  }
}

/**
 * What is added to attention scores: 0 where a token may see a key, -1e30 elsewhere.
 *
 * @param own int64 positions of the tokens. @param key those of the keys, broadcasting; -1 is seen by nobody.
 */
export function bias(
  own: Value,
  key: Value,
  { window, causal }: { readonly window: number; readonly causal: boolean },
): Value {
  const distance = sub(own, key);
  let seen = greaterEqual(key, 0);
  if (causal) seen = logicalAnd(seen, greaterEqual(distance, 0));
  else if (Number.isFinite(window)) seen = logicalAnd(seen, less(neg(distance), window));
  if (Number.isFinite(window)) seen = logicalAnd(seen, less(distance, window));
  return where(seen, 0, hidden);
}
