import { add, mul, sub, type Value } from "../engine/index.js";

/**
 * Memory as Gate (Titans, arXiv 2501.00663; TPTT, arXiv 2506.17671): how much of a layer's output comes from the
 * memory. While a graph is traced, `magWeight` is an input of it, so that a schedule changes it without a new session;
 * or the number 1, for a graph that leaves softmax attention out.
 */
export class MemoryAsGate {
  /** mu, a scalar. */
  magWeight: Value | 1 = 1;
  readonly #crossGate: boolean;

  constructor({ crossGate = false } = {}) {
    this.#crossGate = crossGate;
  }

  /** True where no softmax attention is needed. */
  get memoryOnly(): boolean {
    return this.magWeight === 1;
  }

  /** Whether gating commutes with a linear map, so that both paths can share one output projection. */
  get isLinear(): boolean {
    return !this.#crossGate;
  }

  /** (1 - mu) softmax + mu linear, plus the product of the two terms with a cross gate. */
  mix(softmax: Value, linear: Value): Value {
    const fromAttention = mul(sub(1, this.magWeight), softmax);
    const fromMemory = mul(linear, this.magWeight);
    const sum = add(fromAttention, fromMemory);
    return this.#crossGate ? add(sum, mul(fromAttention, fromMemory)) : sum;
  }
}
