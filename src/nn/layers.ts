import {
  add,
  gather,
  linear,
  matmul,
  maximum,
  mean,
  minimum,
  mul,
  type Parameter,
  parameter,
  reshape,
  rmsNorm,
  sub,
  type Value,
} from "../engine/index.js";
import { Module } from "./module.js";

/** y = x W^T + b, with W [out, in] as Hugging Face stores it. */
export class Linear extends Module {
  weight: Parameter;
  bias?: Parameter;

  constructor(inFeatures: number, outFeatures: number, { bias = false } = {}) {
    super();
    this.weight = parameter(outFeatures, inFeatures);
    if (bias) this.bias = parameter(outFeatures);
  }

  get inFeatures(): number {
    return this.weight.shape[1]!;
  }

  get outFeatures(): number {
    return this.weight.shape[0]!;
  }

  /** [.., in] -> [.., out] */
  forward(x: Value): Value {
    return linear(x, this.weight, this.bias);
  }
}

/** y = x W + b, with W [in, out] as GPT-2's checkpoints store it. */
export class Conv1D extends Linear {
  constructor(inFeatures: number, outFeatures: number) {
    super(inFeatures, outFeatures, { bias: true });
    this.weight = parameter(inFeatures, outFeatures);
  }

  override get inFeatures(): number {
    return this.weight.shape[0]!;
  }

  override get outFeatures(): number {
    return this.weight.shape[1]!;
  }

  override forward(x: Value): Value {
    const rows = matmul(reshape(x, [-1, this.inFeatures]), this.weight);
    return add(reshape(rows, x.shape.with(-1, this.outFeatures)), this.bias!);
  }
}

/** A table of vectors, one for each token of the vocabulary. */
export class Embedding extends Module {
  readonly weight: Parameter;

  constructor(vocabSize: number, dim: number) {
    super();
    this.weight = parameter(vocabSize, dim);
  }

  /** int64 [B, S] -> [B, S, dim] */
  forward(ids: Value): Value {
    return gather(this.weight, ids);
  }
}

/** x / RMS(x) * weight over the last axis (Zhang and Sennrich, arXiv 1910.07467). */
export class RmsNorm extends Module {
  readonly weight: Parameter;
  /** Added to the weight: 1 in Gemma, whose checkpoints store weight - 1. */
  readonly offset: number;
  readonly #eps: number;

  constructor(dim: number, eps: number, offset = 0) {
    super();
    this.weight = parameter(dim);
    this.#eps = eps;
    this.offset = offset;
  }

  /** [.., dim] -> [.., dim] */
  forward(x: Value): Value {
    // With a frozen weight ONNX Runtime computes the sum once, when it makes the session.
    const weight = this.offset === 0 ? this.weight : add(this.weight, this.offset);
    return rmsNorm(x, weight, this.#eps);
  }
}

/** (x - mean) / std * weight + bias over the last axis (Ba et al., arXiv 1607.06450). */
export class LayerNorm extends Module {
  readonly weight?: Parameter;
  readonly bias?: Parameter;
  readonly #eps: number;

  /** @param learned which of weight and bias there are; both by default. */
  constructor(dim: number, eps: number, learned: { weight?: boolean; bias?: boolean } = {}) {
    super();
    if (learned.weight ?? true) this.weight = parameter(dim);
    if (learned.bias ?? true) this.bias = parameter(dim);
    this.#eps = eps;
  }

  /** [.., dim] -> [.., dim] */
  forward(x: Value): Value {
    // The standard deviation is the RMS of what is left without the mean.
    const normed = rmsNorm(sub(x, mean(x, [-1], true)), this.weight, this.#eps);
    return this.bias ? add(normed, this.bias) : normed;
  }
}

/** Multiplies by a number, unless that changes nothing. */
export const scaled = (x: Value, factor: number): Value => (factor === 1 ? x : mul(x, factor));

/** Cuts every number to -limit .. limit; leaves it as it is without a limit. */
export const clipped = (x: Value, limit: number | undefined): Value =>
  limit === undefined ? x : minimum(maximum(x, -limit), limit);
