import { z } from "zod";
import { silu, type Value } from "../engine/index.js";
import type { JsonObject } from "../io/json-file.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { clipped, LayerNorm } from "../nn/layers.js";
import { PreNormBlock } from "../nn/pre-norm-block.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import { RotaryAttention, type RotaryAttentionOptions } from "../nn/rotary-attention.js";
import type { Architecture } from "./architecture.js";
import { decoderFields, onlyActivation, parseDecoderConfig } from "./config-fields.js";
import { DecoderLm } from "./decoder-lm.js";
import { olmoGguf } from "./olmo-gguf.js";

/*
 * OLMo (Groeneveld et al., arXiv 2402.00838). Beside Llama: layer norms that have no weights, and queries, keys and
 * values that may be clipped. The clip belongs to softmax attention: a second path gets the projections as they are.
 */

const epsilon = 1e-5;

const configSchema = z.object({
  ...decoderFields,
  model_type: z.literal("olmo"),
  hidden_act: onlyActivation("silu"),
  attention_bias: z.boolean().default(false),
  clip_qkv: z
    .number()
    .positive()
    .nullish()
    .transform((limit) => limit ?? undefined),
});

class OlmoAttention extends RotaryAttention {
  readonly #clip: number | undefined;

  constructor(options: RotaryAttentionOptions, clip: number | undefined) {
    super(options);
    this.#clip = clip;
  }

  protected override queryHeads(q: Value): Value {
    return super.queryHeads(clipped(q, this.#clip));
  }

  protected override keyHeads(k: Value): Value {
    return super.keyHeads(clipped(k, this.#clip));
  }

  protected override valueHeads(v: Value): Value {
    return super.valueHeads(clipped(v, this.#clip));
  }
}

function build(json: JsonObject, where: string): DecoderLm {
  const config = parseDecoderConfig(configSchema, json, where);
  const { attentionBias, clipQkv } = config;
  const norm = () => new LayerNorm(config.hiddenSize, epsilon, { weight: false, bias: false });
  const rope = new RotaryEmbedding(config.headDim, config.ropeTheta, config.ropeScaling);
  const bias = { qkvBias: attentionBias, outBias: attentionBias };
  const block = (layerIdx: number) =>
    new PreNormBlock({
      norm,
      attention: new OlmoAttention({ ...config, ...bias, layerIdx, rope }, clipQkv),
      mlp: new GatedMlp({ ...config, activation: silu }),
    });
  return new DecoderLm(config, {
    layers: Array.from({ length: config.numHiddenLayers }, (_, i) => block(i)),
    norm: norm(),
  });
}

export const olmo: Architecture<DecoderLm> = {
  modelTypes: ["olmo"],
  baseModelPrefix: "model",
  build,
  gguf: olmoGguf,
};
