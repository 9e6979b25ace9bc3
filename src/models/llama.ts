import { z } from "zod";
import { add, mul, type Parameter, silu, type Value } from "../engine/index.js";
import { isObject, type JsonObject } from "../io/json-file.js";
import { parseWith } from "../io/validate.js";
import { Attention, type Projections, softmaxAttention, splitHeads } from "../nn/attention.js";
import { runBlocks } from "../nn/blocks.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { Embedding, Linear, RmsNorm } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import type { Architecture } from "./architecture.js";
import { CausalLm } from "./causal-lm.js";
import { checkHeads, positiveInt, ropeScaling } from "./config-fields.js";
import { llamaGguf } from "./llama-gguf.js";

/*
 * Llama (Touvron et al., arXiv 2302.13971; Llama 3, arXiv 2407.21783) and Mistral (Jiang et al., arXiv 2310.06825),
 * which is Llama with a sliding window.
 */

const configSchema = z
  .object({
    model_type: z.enum(["llama", "mistral"]),
    vocab_size: positiveInt,
    hidden_size: positiveInt,
    intermediate_size: positiveInt,
    num_hidden_layers: positiveInt,
    num_attention_heads: positiveInt,
    num_key_value_heads: positiveInt.nullish(),
    head_dim: positiveInt.nullish(),
    hidden_act: z.literal("silu", "expected silu, the only activation of this family").default("silu"),
    max_position_embeddings: positiveInt.default(2048),
    rms_norm_eps: z.number().positive().default(1e-6),
    rope_theta: z.number().positive().default(10_000),
    rope_scaling: ropeScaling,
    sliding_window: positiveInt.nullish(),
    attention_bias: z.boolean().default(false),
    mlp_bias: z.boolean().default(false),
    tie_word_embeddings: z.boolean().default(false),
  })
  .transform((c) => ({
    modelType: c.model_type,
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    intermediateSize: c.intermediate_size,
    numHiddenLayers: c.num_hidden_layers,
    numAttentionHeads: c.num_attention_heads,
    numKeyValueHeads: c.num_key_value_heads ?? c.num_attention_heads,
    headDim: c.head_dim ?? c.hidden_size / c.num_attention_heads,
    maxPositionEmbeddings: c.max_position_embeddings,
    rmsNormEps: c.rms_norm_eps,
    ropeTheta: c.rope_theta,
    ropeScaling: c.rope_scaling,
    slidingWindow: c.model_type === "mistral" ? (c.sliding_window ?? undefined) : undefined,
    attentionBias: c.attention_bias,
    mlpBias: c.mlp_bias,
    tieWordEmbeddings: c.tie_word_embeddings,
  }));

/** What a Llama is made of. */
export type LlamaConfig = z.output<typeof configSchema>;

class LlamaAttention extends Attention {
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

  constructor(config: LlamaConfig, layerIdx: number, rope: RotaryEmbedding) {
    super();
    this.layerIdx = layerIdx;
    this.numHeads = config.numAttentionHeads;
    this.numKeyValueHeads = config.numKeyValueHeads;
    this.headDim = config.headDim;
    this.window = config.slidingWindow ?? Number.POSITIVE_INFINITY;
    const bias = { bias: config.attentionBias };
    this.q_proj = new Linear(config.hiddenSize, this.numHeads * this.headDim, bias);
    this.k_proj = new Linear(config.hiddenSize, this.numKeyValueHeads * this.headDim, bias);
    this.v_proj = new Linear(config.hiddenSize, this.numKeyValueHeads * this.headDim, bias);
    this.o_proj = new Linear(this.numHeads * this.headDim, config.hiddenSize, bias);
    this.#rope = rope;
  }

  project(x: Value): Projections {
    return { q: this.q_proj.forward(x), k: this.k_proj.forward(x), v: this.v_proj.forward(x) };
  }

  attend({ q, k, v }: Projections, context: ForwardContext, window = this.window): Value {
    return softmaxAttention(
      this.#rope.forward(splitHeads(q, this.numHeads), context),
      this.#rope.forward(splitHeads(k, this.numKeyValueHeads), context),
      splitHeads(v, this.numKeyValueHeads),
      { layerIdx: this.layerIdx, window, scale: this.headDim ** -0.5, context },
    );
  }

  projectOut(heads: Value): Value {
    return this.o_proj.forward(heads);
  }
}

class LlamaMlp extends Module {
  readonly gate_proj: Linear;
  readonly up_proj: Linear;
  readonly down_proj: Linear;

  constructor({ hiddenSize, intermediateSize, mlpBias: bias }: LlamaConfig) {
    super();
    this.gate_proj = new Linear(hiddenSize, intermediateSize, { bias });
    this.up_proj = new Linear(hiddenSize, intermediateSize, { bias });
    this.down_proj = new Linear(intermediateSize, hiddenSize, { bias });
  }

  forward(x: Value): Value {
    return this.down_proj.forward(mul(silu(this.gate_proj.forward(x)), this.up_proj.forward(x)));
  }
}

class LlamaBlock extends Module {
  readonly input_layernorm: RmsNorm;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: RmsNorm;
  readonly mlp: LlamaMlp;

  constructor(config: LlamaConfig, layerIdx: number, rope: RotaryEmbedding) {
    super();
    this.input_layernorm = new RmsNorm(config.hiddenSize, config.rmsNormEps);
    this.self_attn = new LlamaAttention(config, layerIdx, rope);
    this.post_attention_layernorm = new RmsNorm(config.hiddenSize, config.rmsNormEps);
    this.mlp = new LlamaMlp(config);
  }

  forward(x: Value, context: ForwardContext): Value {
    const h = add(x, this.self_attn.forward(this.input_layernorm.forward(x), context));
    return add(h, this.mlp.forward(this.post_attention_layernorm.forward(h)));
  }
}

class LlamaDecoder extends Module {
  readonly embed_tokens: Embedding;
  readonly layers: readonly LlamaBlock[];
  readonly norm: RmsNorm;

  constructor(config: LlamaConfig) {
    super();
    const rope = new RotaryEmbedding(config.headDim, config.ropeTheta, config.ropeScaling);
    this.embed_tokens = new Embedding(config.vocabSize, config.hiddenSize);
    this.layers = Array.from({ length: config.numHiddenLayers }, (_, i) => new LlamaBlock(config, i, rope));
    this.norm = new RmsNorm(config.hiddenSize, config.rmsNormEps);
  }

  forward(inputIds: Value, context: ForwardContext): Value {
    return this.norm.forward(runBlocks(this.layers, this.embed_tokens.forward(inputIds), context));
  }
}

/** Llama with its output embedding. */
export class Llama extends CausalLm {
  readonly config: LlamaConfig;
  readonly model: LlamaDecoder;
  readonly lm_head?: Linear;

  constructor(config: LlamaConfig) {
    super();
    this.config = config;
    this.model = new LlamaDecoder(config);
    if (!config.tieWordEmbeddings) this.lm_head = new Linear(config.hiddenSize, config.vocabSize);
  }

  get head(): Parameter {
    return (this.lm_head ?? this.model.embed_tokens).weight;
  }

  forward(inputIds: Value, context: ForwardContext): Value {
    return this.model.forward(inputIds, context);
  }
}

function parseConfig(json: JsonObject, where: string): LlamaConfig {
  const config = parseWith(configSchema, flatRope(json), where);
  checkHeads(config, where);
  return config;
}

/** transformers 5 writes `rope_parameters` where older versions wrote two fields. */
function flatRope(json: JsonObject): JsonObject {
  const rope = json.rope_parameters;
  return isObject(rope) ? { ...json, rope_theta: rope.rope_theta, rope_scaling: rope } : json;
}

export const llama: Architecture = {
  modelTypes: ["llama", "mistral"],
  build: (json, where) => new Llama(parseConfig(json, where)),
  gguf: llamaGguf,
};
