import { z } from "zod";
import { add, gelu, type Value } from "../engine/index.js";
import { isObject, type JsonObject } from "../io/json-file.js";
import type { Attention } from "../nn/attention.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { RmsNorm } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import { RotaryAttention } from "../nn/rotary-attention.js";
import type { Architecture } from "./architecture.js";
import {
  checkLayerTypes,
  type DecoderConfig,
  decoderFields,
  layerTypes,
  onlyActivation,
  parseDecoderConfig,
  partCount,
  positiveInt,
} from "./config-fields.js";
import { DecoderLm } from "./decoder-lm.js";
import { gemma3Gguf } from "./gemma3-gguf.js";

/*
 * Gemma 3, the text model (Gemma Team, arXiv 2503.19786). Beside Llama: layers that see a window of tokens between
 * layers that see all, each kind with its own rotary base; norms on q and k; a norm before and after each half of a
 * block, all stored as weight - 1; embeddings scaled by sqrt(hidden).
 */

const noSoftcapping = z
  .null("expected null: Gemma 3 caps no logits")
  .optional()
  .transform(() => undefined);

const configSchema = z
  .object({
    ...decoderFields,
    model_type: z.literal("gemma3_text"),
    vocab_size: positiveInt.default(262_208),
    hidden_size: positiveInt.default(2304),
    intermediate_size: positiveInt.default(9216),
    num_hidden_layers: partCount.default(26),
    num_attention_heads: positiveInt.default(8),
    num_key_value_heads: positiveInt.default(4),
    head_dim: positiveInt.default(256),
    hidden_activation: onlyActivation("gelu_pytorch_tanh"),
    max_position_embeddings: positiveInt.default(131_072),
    rope_theta: z.number().positive().default(1_000_000),
    rope_local_base_freq: z.number().positive().default(10_000),
    query_pre_attn_scalar: z.number().positive().default(256),
    sliding_window: positiveInt.default(4096),
    layer_types: layerTypes,
    sliding_window_pattern: positiveInt.optional(),
    _sliding_window_pattern: positiveInt.optional(),
    attention_bias: z.boolean().default(false),
    attn_logit_softcapping: noSoftcapping,
    final_logit_softcapping: noSoftcapping,
    tie_word_embeddings: z.boolean().default(true),
  })
  .transform(({ sliding_window_pattern, _sliding_window_pattern, ...fields }) => {
    // One global layer after every `pattern - 1` local ones, where the layers are not listed.
    const pattern = sliding_window_pattern ?? _sliding_window_pattern ?? 6;
    const isLocal = (i: number) =>
      fields.layer_types ? fields.layer_types[i] === "sliding_attention" : (i + 1) % pattern !== 0;
    return {
      ...fields,
      local_layers: Array.from({ length: fields.num_hidden_layers }, (_, i) => isLocal(i)),
    };
  });

type Gemma3Config = DecoderConfig<z.output<typeof configSchema>>;

const norm = (dim: number, { rmsNormEps }: Gemma3Config) => new RmsNorm(dim, rmsNormEps, 1);

class Gemma3Attention extends RotaryAttention {
  readonly q_norm: RmsNorm;
  readonly k_norm: RmsNorm;

  constructor(config: Gemma3Config, layerIdx: number, rope: RotaryEmbedding) {
    super({
      ...config,
      layerIdx,
      rope,
      window: config.localLayers[layerIdx] ? config.slidingWindow : undefined,
      scale: config.queryPreAttnScalar ** -0.5,
      qkvBias: config.attentionBias,
      outBias: config.attentionBias,
    });
    this.q_norm = norm(this.headDim, config);
    this.k_norm = norm(this.headDim, config);
  }

  protected override queryHeads(q: Value): Value {
    return this.q_norm.forward(super.queryHeads(q));
  }

  protected override keyHeads(k: Value): Value {
    return this.k_norm.forward(super.keyHeads(k));
  }
}

class Gemma3Block extends Module {
  readonly input_layernorm: RmsNorm;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: RmsNorm;
  readonly pre_feedforward_layernorm: RmsNorm;
  readonly mlp: GatedMlp;
  readonly post_feedforward_layernorm: RmsNorm;

  constructor(config: Gemma3Config, layerIdx: number, rope: RotaryEmbedding) {
    super();
    this.input_layernorm = norm(config.hiddenSize, config);
    this.self_attn = new Gemma3Attention(config, layerIdx, rope);
    this.post_attention_layernorm = norm(config.hiddenSize, config);
    this.pre_feedforward_layernorm = norm(config.hiddenSize, config);
    this.mlp = new GatedMlp({ ...config, activation: gelu });
    this.post_feedforward_layernorm = norm(config.hiddenSize, config);
  }

  forward(x: Value, context: ForwardContext): Value {
    const attended = this.self_attn.forward(this.input_layernorm.forward(x), context);
    const h = add(x, this.post_attention_layernorm.forward(attended));
    const fed = this.mlp.forward(this.pre_feedforward_layernorm.forward(h));
    return add(h, this.post_feedforward_layernorm.forward(fed));
  }
}

function build(json: JsonObject, where: string): DecoderLm {
  const config = parseDecoderConfig(configSchema, flatRope(json), where);
  const { headDim, hiddenSize, localLayers } = config;
  checkLayerTypes(config, where);
  const local = new RotaryEmbedding(headDim, config.ropeLocalBaseFreq);
  const global = new RotaryEmbedding(headDim, config.ropeTheta, config.ropeScaling);
  return new DecoderLm(config, {
    layers: localLayers.map((isLocal, i) => new Gemma3Block(config, i, isLocal ? local : global)),
    norm: norm(hiddenSize, config),
    embedScale: Math.sqrt(hiddenSize),
  });
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

export const gemma3Text: Architecture<DecoderLm> = {
  modelTypes: ["gemma3_text"],
  baseModelPrefix: "model",
  build,
  gguf: gemma3Gguf,
};
