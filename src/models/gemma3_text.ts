import { z } from "zod";
import { add, gelu, mul, type Parameter, type Value } from "../engine/index.js";
import { InputError } from "../errors.js";
import { isObject, type JsonObject } from "../io/json-file.js";
import { parseWith } from "../io/validate.js";
import { Attention, type Projections, softmaxAttention, splitHeads } from "../nn/attention.js";
import { runBlocks } from "../nn/blocks.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { Embedding, Linear, RmsNorm, scaled } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import type { Architecture } from "./architecture.js";
import { CausalLm } from "./causal-lm.js";
import { checkHeads, positiveInt, ropeScaling } from "./config-fields.js";
import { gemma3Gguf } from "./gemma3-gguf.js";

/*
 * Gemma 3, the text model (Gemma Team, arXiv 2503.19786). Beside Llama: layers that see a window of tokens between
 * layers that see all, each kind with its own rotary base; norms on q and k; a norm before and after each half of a
 * block, all stored as weight - 1; embeddings scaled by sqrt(hidden).
 */

const noSoftcapping = z.null("expected null: Gemma 3 caps no logits").optional();

const configSchema = z
  .object({
    model_type: z.literal("gemma3_text"),
    vocab_size: positiveInt.default(262_208),
    hidden_size: positiveInt.default(2304),
    intermediate_size: positiveInt.default(9216),
    num_hidden_layers: positiveInt.default(26),
    num_attention_heads: positiveInt.default(8),
    num_key_value_heads: positiveInt.default(4),
    head_dim: positiveInt.default(256),
    hidden_activation: z
      .literal("gelu_pytorch_tanh", "expected gelu_pytorch_tanh, the only activation of this family")
      .default("gelu_pytorch_tanh"),
    max_position_embeddings: positiveInt.default(131_072),
    rms_norm_eps: z.number().positive().default(1e-6),
    rope_theta: z.number().positive().default(1_000_000),
    rope_local_base_freq: z.number().positive().default(10_000),
    rope_scaling: ropeScaling,
    query_pre_attn_scalar: z.number().positive().default(256),
    sliding_window: positiveInt.default(4096),
    layer_types: z.array(z.enum(["sliding_attention", "full_attention"])).nullish(),
    sliding_window_pattern: positiveInt.optional(),
    _sliding_window_pattern: positiveInt.optional(),
    attention_bias: z.boolean().default(false),
    attn_logit_softcapping: noSoftcapping,
    final_logit_softcapping: noSoftcapping,
    tie_word_embeddings: z.boolean().default(true),
  })
  .transform((c) => {
    // One global layer after every `pattern - 1` local ones, where the layers are not listed.
    const pattern = c.sliding_window_pattern ?? c._sliding_window_pattern ?? 6;
    const isLocal = (i: number) =>
      c.layer_types ? c.layer_types[i] === "sliding_attention" : (i + 1) % pattern !== 0;
    return {
      modelType: c.model_type,
      vocabSize: c.vocab_size,
      hiddenSize: c.hidden_size,
      intermediateSize: c.intermediate_size,
      numHiddenLayers: c.num_hidden_layers,
      numAttentionHeads: c.num_attention_heads,
      numKeyValueHeads: c.num_key_value_heads,
      headDim: c.head_dim,
      maxPositionEmbeddings: c.max_position_embeddings,
      rmsNormEps: c.rms_norm_eps,
      ropeTheta: c.rope_theta,
      ropeLocalBaseFreq: c.rope_local_base_freq,
      ropeScaling: c.rope_scaling,
      queryPreAttnScalar: c.query_pre_attn_scalar,
      slidingWindow: c.sliding_window,
      layerTypes: c.layer_types ?? undefined,
      localLayers: Array.from({ length: c.num_hidden_layers }, (_, i) => isLocal(i)),
      attentionBias: c.attention_bias,
      tieWordEmbeddings: c.tie_word_embeddings,
    };
  });

/** What a Gemma 3 text model is made of. */
export type Gemma3TextConfig = z.output<typeof configSchema>;

/** The rotary embeddings of the two kinds of layers. */
interface Ropes {
  readonly local: RotaryEmbedding;
  readonly global: RotaryEmbedding;
}

const norm = (dim: number, { rmsNormEps }: Gemma3TextConfig) => new RmsNorm(dim, rmsNormEps, 1);

class Gemma3Attention extends Attention {
  readonly layerIdx: number;
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly window: number;
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly o_proj: Linear;
  readonly q_norm: RmsNorm;
  readonly k_norm: RmsNorm;
  readonly #rope: RotaryEmbedding;
  readonly #scale: number;

  constructor(config: Gemma3TextConfig, layerIdx: number, ropes: Ropes) {
    super();
    const local = config.localLayers[layerIdx]!;
    this.layerIdx = layerIdx;
    this.numHeads = config.numAttentionHeads;
    this.numKeyValueHeads = config.numKeyValueHeads;
    this.headDim = config.headDim;
    this.window = local ? config.slidingWindow : Number.POSITIVE_INFINITY;
    const bias = { bias: config.attentionBias };
    this.q_proj = new Linear(config.hiddenSize, this.numHeads * this.headDim, bias);
    this.k_proj = new Linear(config.hiddenSize, this.numKeyValueHeads * this.headDim, bias);
    this.v_proj = new Linear(config.hiddenSize, this.numKeyValueHeads * this.headDim, bias);
    this.o_proj = new Linear(this.numHeads * this.headDim, config.hiddenSize, bias);
    this.q_norm = norm(this.headDim, config);
    this.k_norm = norm(this.headDim, config);
    this.#rope = local ? ropes.local : ropes.global;
    this.#scale = config.queryPreAttnScalar ** -0.5;
  }

  project(x: Value): Projections {
    return { q: this.q_proj.forward(x), k: this.k_proj.forward(x), v: this.v_proj.forward(x) };
  }

  attend({ q, k, v }: Projections, context: ForwardContext, window = this.window): Value {
    return softmaxAttention(
      this.#rope.forward(this.q_norm.forward(splitHeads(q, this.numHeads)), context),
      this.#rope.forward(this.k_norm.forward(splitHeads(k, this.numKeyValueHeads)), context),
      splitHeads(v, this.numKeyValueHeads),
      { layerIdx: this.layerIdx, window, scale: this.#scale, context },
    );
  }

  projectOut(heads: Value): Value {
    return this.o_proj.forward(heads);
  }
}

class Gemma3Mlp extends Module {
  readonly gate_proj: Linear;
  readonly up_proj: Linear;
  readonly down_proj: Linear;

  constructor({ hiddenSize, intermediateSize }: Gemma3TextConfig) {
    super();
    this.gate_proj = new Linear(hiddenSize, intermediateSize);
    this.up_proj = new Linear(hiddenSize, intermediateSize);
    this.down_proj = new Linear(intermediateSize, hiddenSize);
  }

  forward(x: Value): Value {
    return this.down_proj.forward(mul(gelu(this.gate_proj.forward(x)), this.up_proj.forward(x)));
  }
}

class Gemma3Block extends Module {
  readonly input_layernorm: RmsNorm;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: RmsNorm;
  readonly pre_feedforward_layernorm: RmsNorm;
  readonly mlp: Gemma3Mlp;
  readonly post_feedforward_layernorm: RmsNorm;

  constructor(config: Gemma3TextConfig, layerIdx: number, ropes: Ropes) {
    super();
    this.input_layernorm = norm(config.hiddenSize, config);
    this.self_attn = new Gemma3Attention(config, layerIdx, ropes);
    this.post_attention_layernorm = norm(config.hiddenSize, config);
    this.pre_feedforward_layernorm = norm(config.hiddenSize, config);
    this.mlp = new Gemma3Mlp(config);
    this.post_feedforward_layernorm = norm(config.hiddenSize, config);
  }

  forward(x: Value, context: ForwardContext): Value {
    const attended = this.self_attn.forward(this.input_layernorm.forward(x), context);
    const h = add(x, this.post_attention_layernorm.forward(attended));
    const fed = this.mlp.forward(this.pre_feedforward_layernorm.forward(h));
    return add(h, this.post_feedforward_layernorm.forward(fed));
  }
}

class Gemma3Decoder extends Module {
  readonly embed_tokens: Embedding;
  readonly layers: readonly Gemma3Block[];
  readonly norm: RmsNorm;
  readonly #embedScale: number;

  constructor(config: Gemma3TextConfig) {
    super();
    const ropes = {
      local: new RotaryEmbedding(config.headDim, config.ropeLocalBaseFreq),
      global: new RotaryEmbedding(config.headDim, config.ropeTheta, config.ropeScaling),
    };
    this.embed_tokens = new Embedding(config.vocabSize, config.hiddenSize);
    this.layers = config.localLayers.map((_, i) => new Gemma3Block(config, i, ropes));
    this.norm = norm(config.hiddenSize, config);
    this.#embedScale = Math.sqrt(config.hiddenSize);
  }

  forward(inputIds: Value, context: ForwardContext): Value {
    const embedded = scaled(this.embed_tokens.forward(inputIds), this.#embedScale);
    return this.norm.forward(runBlocks(this.layers, embedded, context));
  }
}

/** The Gemma 3 text model with its output embedding. */
export class Gemma3Text extends CausalLm {
  readonly config: Gemma3TextConfig;
  readonly model: Gemma3Decoder;
  readonly lm_head?: Linear;

  constructor(config: Gemma3TextConfig) {
    super();
    this.config = config;
    this.model = new Gemma3Decoder(config);
    if (!config.tieWordEmbeddings) this.lm_head = new Linear(config.hiddenSize, config.vocabSize);
  }

  get head(): Parameter {
    return (this.lm_head ?? this.model.embed_tokens).weight;
  }

  forward(inputIds: Value, context: ForwardContext): Value {
    return this.model.forward(inputIds, context);
  }
}

function parseConfig(json: JsonObject, where: string): Gemma3TextConfig {
  const config = parseWith(configSchema, flatRope(json), where);
  const { layerTypes, numHiddenLayers } = config;
  if (layerTypes && layerTypes.length !== numHiddenLayers) {
    throw new InputError(
      `${where}: layer_types`,
      `lists ${layerTypes.length} layers, expected num_hidden_layers (${numHiddenLayers})`,
    );
  }
  checkHeads(config, where);
  return config;
}

/** transformers 5 writes `rope_parameters` by kind of layer where older versions wrote single fields. */
function flatRope(json: JsonObject): JsonObject {
  const { full_attention: global, sliding_attention: local } = isObject(json.rope_parameters)
    ? json.rope_parameters
    : {};
  return {
    ...json,
    ...(isObject(global) ? { rope_theta: global.rope_theta, rope_scaling: global } : {}),
    ...(isObject(local) ? { rope_local_base_freq: local.rope_theta } : {}),
  };
}

export const gemma3Text: Architecture = {
  modelTypes: ["gemma3_text"],
  build: (json, where) => new Gemma3Text(parseConfig(json, where)),
  gguf: gemma3Gguf,
};
