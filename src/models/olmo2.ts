import { z } from "zod";
import { add, silu, type Value } from "../engine/index.js";
import type { JsonObject } from "../io/json-file.js";
import type { Attention } from "../nn/attention.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { RmsNorm } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import { RotaryAttention, type RotaryAttentionOptions } from "../nn/rotary-attention.js";
import type { Architecture } from "./architecture.js";
import { type DecoderConfig, decoderFields, onlyActivation, parseDecoderConfig } from "./config-fields.js";
import { DecoderLm } from "./decoder-lm.js";
import { olmo2Gguf } from "./olmo-gguf.js";

/*
 * OLMo 2 (OLMo Team, arXiv 2501.00656). Beside Llama: norms after each half of a block, not before, and norms on q and
 * k, over all heads together.
 */

const configSchema = z.object({
  ...decoderFields,
  model_type: z.literal("olmo2"),
  hidden_act: onlyActivation("silu"),
  rms_norm_eps: z.number().positive().default(1e-5),
  attention_bias: z.boolean().default(false),
});

type Olmo2Config = DecoderConfig<z.output<typeof configSchema>>;

/** Attention with norms on q and k over all heads together. */
export class Olmo2Attention extends RotaryAttention {
  readonly q_norm: RmsNorm;
  readonly k_norm: RmsNorm;

  constructor(options: RotaryAttentionOptions, eps: number) {
    super(options);
    this.q_norm = new RmsNorm(this.numHeads * this.headDim, eps);
    this.k_norm = new RmsNorm(this.numKeyValueHeads * this.headDim, eps);
  }

  protected override queryHeads(q: Value): Value {
    return super.queryHeads(this.q_norm.forward(q));
  }

  protected override keyHeads(k: Value): Value {
    return super.keyHeads(this.k_norm.forward(k));
  }
}

class Olmo2Block extends Module {
  readonly self_attn: Attention;
  readonly post_attention_layernorm: RmsNorm;
  readonly mlp: GatedMlp;
  readonly post_feedforward_layernorm: RmsNorm;

  constructor(config: Olmo2Config, layerIdx: number, rope: RotaryEmbedding) {
    super();
    const { attentionBias, hiddenSize, rmsNormEps } = config;
    const bias = { qkvBias: attentionBias, outBias: attentionBias };
    this.self_attn = new Olmo2Attention({ ...config, ...bias, layerIdx, rope }, rmsNormEps);
    this.post_attention_layernorm = new RmsNorm(hiddenSize, rmsNormEps);
    this.mlp = new GatedMlp({ ...config, activation: silu });
    this.post_feedforward_layernorm = new RmsNorm(hiddenSize, rmsNormEps);
  }

  forward(x: Value, context: ForwardContext): Value {
    const h = add(x, this.post_attention_layernorm.forward(this.self_attn.forward(x, context)));
    return add(h, this.post_feedforward_layernorm.forward(this.mlp.forward(h)));
  }
}

function build(json: JsonObject, where: string): DecoderLm {
  const config = parseDecoderConfig(configSchema, json, where);
  const rope = new RotaryEmbedding(config.headDim, config.ropeTheta, config.ropeScaling);
  return new DecoderLm(config, {
    layers: Array.from({ length: config.numHiddenLayers }, (_, i) => new Olmo2Block(config, i, rope)),
    norm: new RmsNorm(config.hiddenSize, config.rmsNormEps),
  });
}

export const olmo2: Architecture<DecoderLm> = {
  modelTypes: ["olmo2"],
  baseModelPrefix: "model",
  build,
  gguf: olmo2Gguf,
};
