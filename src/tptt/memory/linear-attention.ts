import { checkpoint, dropout, reshape, rmsNorm, Value } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import type { Projections } from "../../nn/attention.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import { Linear } from "../../nn/layers.js";
import { Module } from "../../nn/module.js";
import {
  type OperatorForm,
  type PoolingConfig,
  type RecurrentConfig,
  recurrentModes,
} from "../config/operator-config.js";
import { ExactMemory } from "./exact-memory.js";
import { LCache, type LinearState } from "./lcache.js";
import type { LinearMemory } from "./linear-memory.js";
import { ReferenceMemory } from "./reference-memory.js";

/** What a {@link LinearAttention} is made of. */
export interface LinearAttentionOptions {
  /** Width of the hidden states; without it the layer has no projections of its own, and reads those of another. */
  readonly hiddenDim?: number | undefined;
  readonly numHeads: number;
  /** Default hiddenDim / numHeads. */
  readonly headDim?: number | undefined;
  /** Default: as many as heads. */
  readonly numKeyValueHeads?: number | undefined;
  /** Whether its own projections have a bias. Default true. */
  readonly bias?: boolean | undefined;
  /** Chance that an output of its own projection is dropped in training. Default 0. */
  readonly dropout?: number | undefined;
  /** Default `right`; see `applyLinearAttentionMask`. */
  readonly paddingSide?: "left" | "right" | undefined;
  /** Default 0. */
  readonly layerIdx?: number | undefined;
  /** Default: that of `delta_product`. */
  readonly recurrentConfig?: RecurrentConfig | undefined;
  /** Default: one of its own. */
  readonly linearCache?: LCache | undefined;
  /** Tokens that the memory reads at a time, at most. Default 64. */
  readonly maxChunkSize?: number | undefined;
  /** The mean of a pass from the front and one from the back. Default false. */
  readonly bidirectional?: boolean | undefined;
  readonly poolingConfig?: PoolingConfig | undefined;
  /** Default `exact`. */
  readonly operatorForm?: OperatorForm | undefined;
  /** Computes the memory again in the backward pass rather than keeping what it needs. Default false. */
  readonly useLinearCheckpoint?: boolean | undefined;
}

/**
 * Linear attention (TPTT, arXiv 2506.17671): a memory in one of two forms ({@link OperatorForm}), its heads merged and
 * divided by their RMS. By itself, with projections of its own, or over those of a softmax layer.
 */
export class LinearAttention extends Module {
  readonly q_proj?: Linear;
  readonly k_proj?: Linear;
  readonly v_proj?: Linear;
  readonly out_proj?: Linear;
  readonly memory: LinearMemory;
  /** While a training step is traced: the seed of the dropout mask. */
  dropoutSeed: Value | undefined;
  readonly #layerIdx: number;
  readonly #linearCache: LCache;
  readonly #dropout: number;
  readonly #checkpoint: boolean;

  /** @throws InputError when neither hiddenDim nor headDim is given, or a size is none. */
  constructor(options: LinearAttentionOptions) {
    super();
    const { hiddenDim, numHeads, numKeyValueHeads = numHeads, bias = true } = options;
    const headDim =
      options.headDim ?? (hiddenDim === undefined ? undefined : Math.floor(hiddenDim / numHeads));
    for (const [name, value] of Object.entries({
      hidden_dim: hiddenDim,
      num_heads: numHeads,
      head_dim: headDim,
    })) {
      if (value !== undefined && !(Number.isInteger(value) && value > 0))
        throw new InputError(name, `is ${value}, expected a positive integer`);
    }
    if (!(numKeyValueHeads > 0 && numHeads % numKeyValueHeads === 0)) {
      throw new InputError(
        "num_key_value_heads",
        `is ${numKeyValueHeads}, expected a divisor of num_heads (${numHeads})`,
      );
    }
    if (headDim === undefined) throw new InputError("head_dim", "is missing; give it or hidden_dim");
    this.memory = new { exact: ExactMemory, "tptt-0.12": ReferenceMemory }[options.operatorForm ?? "exact"]({
      numHeads,
      numKeyValueHeads,
      headDim,
      recurrentConfig: options.recurrentConfig ?? recurrentModes.delta_product,
      maxChunkSize: options.maxChunkSize ?? 64,
      bidirectional: options.bidirectional ?? false,
      paddingSide: options.paddingSide ?? "right",
      poolingConfig: options.poolingConfig ?? {},
    });
    this.#layerIdx = options.layerIdx ?? 0;
    this.#linearCache = options.linearCache ?? new LCache();
    this.#dropout = options.dropout ?? 0;
    this.#checkpoint = options.useLinearCheckpoint ?? false;
    if (hiddenDim !== undefined) {
      this.q_proj = new Linear(hiddenDim, numHeads * headDim, { bias });
      this.k_proj = new Linear(hiddenDim, numKeyValueHeads * headDim, { bias });
      this.v_proj = new Linear(hiddenDim, numKeyValueHeads * headDim, { bias });
      this.out_proj = new Linear(numHeads * headDim, hiddenDim, { bias });
    }
  }

  /**
   * What the memory makes of a sequence. Reads and writes the layer's state in the linear cache.
   *
   * @param x hidden states [B, S, hidden]; or, without projections of its own, those of a softmax layer, raw:
   * q [B, S, H * D], k and v [B, S, Hkv * D].
   * @returns [B, S, hidden]; or the merged heads, [B, S, H * D], for the softmax layer's own output projection.
   * @throws InputError for hidden states without `hiddenDim`, or of another size.
   */
  forward(x: Value | Projections, context: ForwardContext): Value {
    const projections = x instanceof Value ? this.#project(x) : x;
    // What is computed again leaves no state; with whole layers computed again there is nothing to save.
    if (this.#checkpoint && !context.past && !context.checkpointing) {
      const { q, k, v } = projections;
      const read = ([q, k, v]: readonly Value[]) =>
        this.memory.read({ q: q!, k: k!, v: v! }, context, undefined).heads;
      return this.mergeHeadOutput(checkpoint(read, [q, k, v]));
    }
    const { heads, state } = this.memory.read(projections, context, this.getCache(context));
    this.saveCache(state);
    return this.mergeHeadOutput(heads);
  }

  /**
   * Python's `merge_head_output`: merges heads [B, S, H, D], divides by their RMS, and projects where the layer has a
   * projection of its own: [B, S, H * D] or [B, S, hidden].
   */
  mergeHeadOutput(heads: Value): Value {
    const merged = rmsNorm(reshape(heads, [...heads.shape.slice(0, 2), -1]), undefined, 1e-6);
    const output = this.out_proj ? this.out_proj.forward(merged) : merged;
    return this.dropoutSeed ? dropout(output, this.#dropout, this.dropoutSeed) : output;
  }

  /** What earlier calls left, where the pass continues them; undefined where it begins. */
  getCache(context: ForwardContext): LinearState | undefined {
    return context.past ? this.#linearCache.get(this.#layerIdx) : undefined;
  }

  /** Keeps what the next call needs. */
  saveCache(state: LinearState): void {
    this.#linearCache.update(this.#layerIdx, state);
  }

  /** What the layer keeps between calls, by shape: the input of a graph that continues a sequence. */
  stateShapes(batch: number): LinearState<readonly number[]> {
    return this.memory.stateShapes(batch);
  }

  #project(x: Value): Projections {
    const { q_proj, k_proj, v_proj } = this;
    if (!q_proj || !k_proj || !v_proj)
      throw new InputError(
        "hidden_dim",
        "is missing: a layer without it reads projections, not hidden states",
      );
    if (x.shape.length !== 3 || x.shape[2] !== q_proj.inFeatures)
      throw new InputError("x", `is [${x.shape}], expected [B, S, ${q_proj.inFeatures}]: hidden_dim of them`);
    return { q: q_proj.forward(x), k: k_proj.forward(x), v: v_proj.forward(x) };
  }
}
