import type { Value } from "../../engine/index.js";

/** What a linear attention layer needs to go on where it stopped; every part is constant in size. */
export interface LinearState<T = Value> {
  /** The memory S, [B, Hkv, D_key, D_value]; the form `tptt-0.12` goes on without. */
  readonly recurrentState?: T;
  /** The raw keys that the pool looks back on, [B, 2, Hkv * D]; present when a gate is made of keys. */
  readonly pooledKeys?: T;
  /** The raw values, likewise. */
  readonly pooledValues?: T;
  /** The keys that the derivative trick looks back on, [B, order - 1, Hkv, D]; present when it is used. */
  readonly expandedKeys?: T;
  /** The values, likewise. */
  readonly expandedValues?: T;
  /** The queries, [B, order - 1, H, D], likewise in the form `tptt-0.12`. */
  readonly expandedQueries?: T;
  /** The forget gates, [B, order - 1, Hkv, D], likewise, unless they are constant. */
  readonly expandedAlpha?: T;
  /** The write gates, likewise. */
  readonly expandedBeta?: T;
  /** The layer's own inputs that a learned gate looks back on, [B, 15, hidden]. */
  readonly gateInputs?: T;
}

/**
 * The memory of all linear attention layers, by layer (Python's `LCache`). `T` is a symbolic value while a graph is
 * traced, a tensor between two runs.
 */
export class LCache<T = Value> {
  readonly #states = new Map<number, LinearState<T>>();

  /** The state of a layer; undefined before its first tokens. */
  get(layerIdx: number): LinearState<T> | undefined {
    return this.#states.get(layerIdx);
  }

  /** Sets parts of a layer's state, the others stay. */
  update(layerIdx: number, state: Partial<LinearState<T>>): void {
    this.#states.set(layerIdx, { ...this.#states.get(layerIdx), ...state } as LinearState<T>);
  }

  /** Forgets everything. */
  reset(): void {
    this.#states.clear();
  }

  /** Layers and their states, in order. */
  *entries(): Generator<[layerIdx: number, state: LinearState<T>]> {
    for (const entry of [...this.#states].sort(([a], [b]) => a - b)) yield entry;
  }
}
