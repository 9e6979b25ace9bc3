import { add, gather, linear, mul, type Parameter, parameter, rmsNorm, type Value } from "../engine/index.js";
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

/** Multiplies by a number, unless that changes nothing. */
export const scaled = (x: Value, factor: number): Value => (factor === 1 ? x : mul(x, factor));
