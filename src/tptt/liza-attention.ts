import { add, mean, mul, sqrt, type Value } from "../engine/index.js";
import { Attention, type Projections } from "../nn/attention.js";
import type { ForwardContext } from "../nn/forward-context.js";
import type { RecurrentConfig } from "./config.js";
import type { LCache } from "./lcache.js";
import { LinearAttention } from "./linear-attention.js";
import { MemoryAsGate } from "./memory-as-gate.js";

/** Options of {@link LiZAttention}, a part of TpttConfig. */
export interface LiZAttentionOptions {
  readonly recurrentConfig: RecurrentConfig;
  /** The softmax path sees this many tokens, itself included; undefined: as many as the base layer. */
  readonly maxSelfAttnLength?: number | undefined;
  /** Scales the memory's output to the RMS of the softmax output. */
  readonly baseScaleAttn?: boolean | undefined;
  /** Adds the product of the two weighted outputs. */
  readonly crossGate?: boolean | undefined;
  readonly maxChunkSize?: number | undefined;
  readonly bidirectional?: boolean | undefined;
}

/**
 * Linearized attention (LiZA, TPTT, arXiv 2506.17671): a softmax layer and a linear-attention memory over the same
 * projections, mixed by Memory as Gate.
 */
export class LiZAttention extends Attention {
  readonly base_attn: Attention;
  readonly memoryGate: MemoryAsGate;
  readonly linearAttn: LinearAttention;
  /** The layer as it was before: bit for bit the base model. */
  disableLinearAttn = false;
  readonly #baseScaleAttn: boolean;
  readonly #maxSelfAttnLength: number;

  constructor(base: Attention, options: LiZAttentionOptions, linearCache: LCache) {
    super();
    this.base_attn = base;
    this.#baseScaleAttn = options.baseScaleAttn ?? false;
    this.#maxSelfAttnLength = options.maxSelfAttnLength ?? Number.POSITIVE_INFINITY;
    this.memoryGate = new MemoryAsGate({ crossGate: options.crossGate ?? false });
    this.linearAttn = new LinearAttention({
      layerIdx: base.layerIdx,
      numHeads: base.numHeads,
      numKeyValueHeads: base.numKeyValueHeads,
      headDim: base.headDim,
      recurrentConfig: options.recurrentConfig,
      maxChunkSize: options.maxChunkSize ?? 64,
      bidirectional: options.bidirectional ?? false,
      linearCache,
    });
  }

  get layerIdx(): number {
    return this.base_attn.layerIdx;
  }

  get numHeads(): number {
    return this.base_attn.numHeads;
  }

  get numKeyValueHeads(): number {
    return this.base_attn.numKeyValueHeads;
  }

  get headDim(): number {
    return this.base_attn.headDim;
  }

  get window(): number {
    return this.disableLinearAttn
      ? this.base_attn.window
      : Math.min(this.base_attn.window, this.#maxSelfAttnLength);
  }

  /** Whether the base layer has a sliding window. */
  get isSliding(): boolean {
    return Number.isFinite(this.base_attn.window);
  }

  project(x: Value): Projections {
    return this.base_attn.project(x);
  }

  attend(projections: Projections, context: ForwardContext, window = this.window): Value {
    return this.base_attn.attend(projections, context, window);
  }

  projectOut(heads: Value): Value {
    return this.base_attn.projectOut(heads);
  }

  override forward(x: Value, context: ForwardContext): Value {
    if (this.disableLinearAttn) return super.forward(x, context);
    const projections = this.project(x);
    const memory = this.linearAttn.forward(projections, context);
    if (this.memoryGate.memoryOnly) return this.projectOut(memory);
    const attention = this.attend(projections, context);
    // One output projection serves both paths where mixing before it is the same.
    if (this.memoryGate.isLinear && !this.#baseScaleAttn)
      return this.projectOut(this.memoryGate.mix(attention, memory));
    const softmax = this.projectOut(attention);
    const linear = this.projectOut(memory);
    return this.memoryGate.mix(softmax, this.#baseScaleAttn ? mul(rms(softmax), linear) : linear);
  }
}

/** Root mean square over the last axis, kept. */
const rms = (x: Value): Value => sqrt(add(mean(mul(x, x), [-1], true), 1e-5));
