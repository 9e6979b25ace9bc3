import { add, mean, mul, scoped, sqrt, sub, type Value, zeros } from "../../engine/index.js";
import { Attention, type Projections } from "../../nn/attention.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import type { MagMode } from "../config/config.js";
import type { RecurrentConfig } from "../config/operator-config.js";
import type { LCache, LinearState } from "../memory/lcache.js";
import { LinearAttention, type LinearAttentionOptions } from "../memory/linear-attention.js";
import { MemoryAsGate, type MemoryAsGateOptions } from "./memory-as-gate.js";

/** Options of {@link LiZAttention}, a part of TpttConfig: those of its memory and of its gate, and its own. */
export interface LiZAttentionOptions
  extends Pick<
      LinearAttentionOptions,
      | "maxChunkSize"
      | "bidirectional"
      | "paddingSide"
      | "operatorForm"
      | "poolingConfig"
      | "useLinearCheckpoint"
    >,
    Pick<MemoryAsGateOptions, "hiddenDim" | "crossGate"> {
  readonly recurrentConfig: RecurrentConfig;
  /** The softmax path sees this many tokens, itself included; undefined: as many as the base layer. */
  readonly maxSelfAttnLength?: number | undefined;
  /** Scales the memory's output to the RMS of the softmax output. */
  readonly baseScaleAttn?: boolean | undefined;
  /** mu, the memory's share, 0..1; default 0.5. */
  readonly magWeight?: number | undefined;
  /** `dynamic`: mu is learned. */
  readonly magMode?: MagMode | undefined;
}

/**
 * Linearized attention (LiZA, TPTT, arXiv 2506.17671): a softmax layer and a linear-attention memory over the same
 * projections, mixed by Memory as Gate.
 */
export class LiZAttention extends Attention {
  readonly base_attn: Attention;
  readonly memory_gate: MemoryAsGate;
  readonly linearAttn: LinearAttention;
  /** The layer as it was before: bit for bit the base model. */
  disableLinearAttn = false;
  /** Told, while a graph is traced, what each path adds to the layer's output: both [B, S, hidden]. */
  watch: ((attention: Value, memory: Value) => void) | undefined;
  readonly #linearCache: LCache;
  readonly #baseScaleAttn: boolean;
  readonly #maxSelfAttnLength: number;

  /**
   * @param base the softmax layer. @param linearCache where the memories of all layers are kept.
   * @throws InputError when a learned gate is not told the features of its input.
   */
  constructor(base: Attention, options: LiZAttentionOptions, linearCache: LCache) {
    super();
    this.base_attn = base;
    this.#linearCache = linearCache;
    this.#baseScaleAttn = options.baseScaleAttn ?? false;
    this.#maxSelfAttnLength = options.maxSelfAttnLength ?? Number.POSITIVE_INFINITY;
    this.memory_gate = new MemoryAsGate({
      hiddenDim: options.hiddenDim,
      mode: options.magMode,
      magRatio: options.magWeight,
      crossGate: options.crossGate,
    });
    this.linearAttn = new LinearAttention({
      layerIdx: base.layerIdx,
      numHeads: base.numHeads,
      numKeyValueHeads: base.numKeyValueHeads,
      headDim: base.headDim,
      recurrentConfig: options.recurrentConfig,
      maxChunkSize: options.maxChunkSize,
      bidirectional: options.bidirectional,
      paddingSide: options.paddingSide,
      operatorForm: options.operatorForm,
      poolingConfig: options.poolingConfig,
      useLinearCheckpoint: options.useLinearCheckpoint,
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

  /** Python's `is_sliding`: whether the base layer has a sliding window. */
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

  /**
   * Memory as Gate over the two paths: (1 - mu) softmax + mu memory, plus their product with a cross gate.
   *
   * @param x the layer's input, [B, S, hidden].
   * @returns [B, S, hidden]; what `base_attn` gives where {@link LiZAttention.disableLinearAttn} is set.
   */
  override forward(x: Value, context: ForwardContext): Value {
    if (this.disableLinearAttn) return super.forward(x, context);
    const projections = this.project(x);
    const memory = scoped("memory", () => this.linearAttn.forward(projections, context));
    if (this.memory_gate.memoryOnly) return this.projectOut(memory);
    const mu = this.#gate(x, context);
    const attention = scoped("softmax", () => this.attend(projections, context));
    this.#tellShares(attention, memory, mu);
    // One output projection serves both paths where mixing before it is the same.
    if (this.memory_gate.isLinear && !this.#baseScaleAttn)
      return this.projectOut(this.memory_gate.mix(attention, memory, mu));
    const softmax = this.projectOut(attention);
    const linear = this.projectOut(memory);
    return this.memory_gate.mix(softmax, this.#baseScaleAttn ? mul(rms(softmax), linear) : linear, mu);
  }

  /** What the layer keeps between calls, by shape: the input of a graph that continues a sequence. */
  stateShapes(batch: number): LinearState<readonly number[]> {
    const gateInputs = this.memory_gate.stateShape(batch);
    return { ...this.linearAttn.stateShapes(batch), ...(gateInputs ? { gateInputs } : {}) };
  }

  /** Without the output projection's bias, which belongs to neither path; the memory's scale is that of all of the output. */
  #tellShares(attention: Value, memory: Value, mu: Value): void {
    if (!this.watch) return;
    const bias = this.projectOut(zeros(attention.dtype, [1, 1, attention.shape[2]!]));
    const softmax = this.projectOut(attention);
    const linear = sub(this.projectOut(memory), bias);
    const scaled = this.#baseScaleAttn ? mul(rms(softmax), linear) : linear;
    this.watch(mul(sub(1, mu), sub(softmax, bias)), mul(mu, scaled));
  }

  /** mu, [B, S, 1] or broadcast to it. Goes on with the state in the linear cache, and writes it. */
  #gate(x: Value, context: ForwardContext): Value {
    const state = this.#linearCache.get(this.layerIdx);
    const past = context.past ? state?.gateInputs : undefined;
    const { value, tail } = this.memory_gate.forward(x, context, past);
    if (tail) this.#linearCache.update(this.layerIdx, { gateInputs: tail });
    return value;
  }
}

/** Root mean square over the last axis, kept. */
const rms = (x: Value): Value => sqrt(add(mean(mul(x, x), [-1], true), 1e-5));
