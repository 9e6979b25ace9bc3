import {
  add,
  dropout,
  matmul,
  type Parameter,
  parameter,
  reshape,
  type Tensor,
  type Value,
} from "../engine/index.js";
import { Conv1D, Linear } from "./layers.js";
import { Module } from "./module.js";

/** A matrix of a low-rank update; a module of its own, for the name that PEFT gives it (`lora_A.weight`). */
class LowRank extends Module {
  readonly weight: Parameter;

  constructor(inFeatures: number, outFeatures: number) {
    super();
    this.weight = parameter(outFeatures, inFeatures);
    this.weight.trainable = true;
  }
}

/**
 * A frozen linear layer with a trainable low-rank update: y = layer(x) + scale * dropout(x) A^T B^T
 * (Hu et al., arXiv 2106.09685). It takes the place of the layer, and its parameters, under their names; how the layer
 * stores its weight is its own affair.
 */
export class LoraLinear extends Linear {
  /** [r, in] */
  readonly lora_A: LowRank;
  /** [out, r] */
  readonly lora_B: LowRank;
  /** alpha / r, or alpha / sqrt(r) with rank stabilisation (arXiv 2312.03732). */
  readonly scaling: number;
  /** While a training step is traced: the chance that an input is dropped, and the seed of the mask. */
  dropout: { readonly rate: number; readonly seed: Value } | undefined;
  readonly #base: Linear;

  constructor(base: Linear, r: number, scaling: number) {
    super(base.inFeatures, base.outFeatures);
    this.weight = base.weight;
    if (base.bias) this.bias = base.bias;
    this.#base = base;
    this.lora_A = new LowRank(base.inFeatures, r);
    this.lora_B = new LowRank(r, base.outFeatures);
    this.scaling = scaling;
  }

  override get inFeatures(): number {
    return this.#base.inFeatures;
  }

  override get outFeatures(): number {
    return this.#base.outFeatures;
  }

  /**
   * The layer's weight with the update in it.
   *
   * @param weight as the layer stores it; changed in place. @param a lora_A, [r, in]. @param b lora_B, [out, r].
   */
  merge(weight: Tensor, a: Tensor, b: Tensor): Tensor {
    const [r, size] = a.shape as [number, number];
    const transposed = this.#base instanceof Conv1D;
    for (let out = 0; out < b.shape[0]!; out++) {
      const row = new Float32Array(size);
      for (let k = 0; k < r; k++) {
        const factor = this.scaling * b.f32[out * r + k]!;
        for (let i = 0; i < size; i++) row[i]! += factor * a.f32[k * size + i]!;
      }
      for (let i = 0; i < size; i++)
        weight.f32[transposed ? i * b.shape[0]! + out : out * size + i]! += row[i]!;
    }
    return weight;
  }

  override forward(x: Value): Value {
    const input = this.dropout ? dropout(x, this.dropout.rate, this.dropout.seed) : x;
    const rows = reshape(input, [-1, this.inFeatures]);
    const low = matmul(rows, this.lora_A.weight, { transB: true });
    const update = matmul(low, this.lora_B.weight, { transB: true, alpha: this.scaling });
    const base = this.#base.forward(x);
    return add(base, reshape(update, base.shape));
  }
}
