import { z } from "zod";
import { silu } from "../engine/index.js";
import type { JsonObject } from "../io/json-file.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { LayerNorm } from "../nn/layers.js";
import { PreNormBlock } from "../nn/pre-norm-block.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import { RotaryAttention } from "../nn/rotary-attention.js";
import type { Architecture } from "./architecture.js";
import { clipQkv, decoderFields, onlyActivation, parseDecoderConfig } from "./config-fields.js";
import { DecoderLm } from "./decoder-lm.js";
import { olmoGguf } from "./olmo-gguf.js";

/*
 * OLMo (Groeneveld et al., arXiv 2402.00838). Beside Llama: layer norms that have no weights, and queries, keys and
 * values that may be clipped.
 */

const epsilon = 1e-5;

const configSchema = z.object({
  ...decoderFields,
  model_type: z.literal("olmo"),
  hidden_act: onlyActivation("silu"),
  attention_bias: z.boolean().default(false),
  clip_qkv: clipQkv,
});

function build(json: JsonObject, where: string): DecoderLm {
  const config = parseDecoderConfig(configSchema, json, where);
  const { attentionBias } = config;
  const norm = () => new LayerNorm(config.hiddenSize, epsilon, { weight: false, bias: false });
  const rope = new RotaryEmbedding(config.headDim, config.ropeTheta, config.ropeScaling);
  const bias = { qkvBias: attentionBias, outBias: attentionBias };
  const block = (layerIdx: number) =>
    new PreNormBlock({
      norm,
      attention: new RotaryAttention({ ...config, ...bias, layerIdx, rope, clip: config.clipQkv }),
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
