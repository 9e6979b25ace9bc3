import type { Value } from "../engine/index.js";
import { Attention, type Projections, softmaxAttention, splitHeads } from "./attention.js";
import type { ForwardContext } from "./forward-context.js";
import { clipped, Linear } from "./layers.js";
import type { RotaryEmbedding } from "./rotary.js";

/** What a {@link RotaryAttention} is made of. */
export interface RotaryAttentionOptions {
  readonly layerIdx: number;
  readonly hiddenSize: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly rope: RotaryEmbedding;
  /** How many tokens, itself included, a token sees; all unless given. */
  readonly window?: number | undefined;
  /** Factor of the scores; headDim^-0.5 unless given. */
  readonly scale?: number;
  /** Whether the projections of q, k and v have a bias. */
  readonly qkvBias?: boolean;
  /** Whether the output projection has a bias. */
  readonly outBias?: boolean;
  /**
   * Queries, keys and values are cut to -clip .. clip before the rotation, for softmax attention alone: a second path gets
   * the projections as they are. Not cut unless given.
   */
  readonly clip?: number | undefined;
}

/**
 * Attention with a projection each for q, k and v, grouped heads, and rotary positions: what most decoders share.
 * A family that treats queries or keys before the rotation says so in `queryHeads`, `keyHeads`.
 */
export class RotaryAttention extends Attention {
  readonly layerIdx: number;
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly window: number;
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;
  readonly #rope: RotaryEmbedding;
  readonly #scale: number;
  readonly #clip: number | undefined;

  constructor(options: RotaryAttentionOptions) {
    super();
    const { hiddenSize, headDim, qkvBias = false, outBias = false } = options;
    this.layerIdx = options.layerIdx;
    this.numHeads = options.numAttentionHeads;
    this.numKeyValueHeads = options.numKeyValueHeads;
    this.headDim = headDim;
    this.window = options.window ?? Number.POSITIVE_INFINITY;
    this.q_proj = new Linear(hiddenSize, this.numHeads * headDim, { bias: qkvBias });
    this.k_proj = new Linear(hiddenSize, this.numKeyValueHeads * headDim, { bias: qkvBias });
    this.v_proj = new Linear(hiddenSize, this.numKeyValueHeads * headDim, { bias: qkvBias });
    this.o_proj = new Linear(this.numHeads * headDim, hiddenSize, { bias: outBias });
    this.#rope = options.rope;
    this.#scale = options.scale ?? headDim ** -0.5;
    this.#clip = options.clip;
  }

  project(x: Value): Projections {
    return { q: this.q_proj.forward(x), k: this.k_proj.forward(x), v: this.v_proj.forward(x) };
  }

  /** [B, S, H * D] -> [B, H, S, D], as it is rotated. */
  protected queryHeads(q: Value): Value {
    return splitHeads(q, this.numHeads);
  }

  /** [B, S, Hkv * D] -> [B, Hkv, S, D], as it is rotated. */
  protected keyHeads(k: Value): Value {
    return splitHeads(k, this.numKeyValueHeads);
  }

  attend({ q, k, v }: Projections, context: ForwardContext, window = this.window): Value {
    const cut = (heads: Value) => clipped(heads, this.#clip);
    return softmaxAttention(
      this.#rope.forward(cut(this.queryHeads(q)), context),
      this.#rope.forward(cut(this.keyHeads(k)), context),
      cut(splitHeads(v, this.numKeyValueHeads)),
      { layerIdx: this.layerIdx, window, scale: this.#scale, context },
    );
  }

  projectOut(heads: Value): Value {
    return this.o_proj.forward(heads);
  }
}
