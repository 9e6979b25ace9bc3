import { z } from "zod";
import { silu } from "../engine/index.js";
import type { JsonObject } from "../io/json-file.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { RmsNorm } from "../nn/layers.js";
import { PreNormBlock } from "../nn/pre-norm-block.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import { RotaryAttention } from "../nn/rotary-attention.js";
import type { Architecture } from "./architecture.js";
import { decoderFields, onlyActivation, parseDecoderConfig } from "./config-fields.js";
import { DecoderLm } from "./decoder-lm.js";
import { llamaGguf } from "./llama-gguf.js";

/* Llama (Touvron et al., arXiv 2302.13971; Llama 3, arXiv 2407.21783): norms before, rotary positions, SwiGLU. */

const configSchema = z.object({
  ...decoderFields,
  model_type: z.literal("llama"),
  hidden_act: onlyActivation("silu"),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
});

function build(json: JsonObject, where: string): DecoderLm {
  const config = parseDecoderConfig(configSchema, json, where);
  const { headDim, numHiddenLayers, attentionBias, mlpBias } = config;
  const norm = () => new RmsNorm(config.hiddenSize, config.rmsNormEps);
  const rope = new RotaryEmbedding(headDim, config.ropeTheta, config.ropeScaling);
  const bias = { qkvBias: attentionBias, outBias: attentionBias };
  const block = (layerIdx: number) =>
    new PreNormBlock({
      norm,
      attention: new RotaryAttention({ ...config, ...bias, layerIdx, rope }),
      mlp: new GatedMlp({ ...config, activation: silu, bias: mlpBias }),
    });
  return new DecoderLm(config, {
    layers: Array.from({ length: numHiddenLayers }, (_, i) => block(i)),
    norm: norm(),
  });
}

export const llama: Architecture<DecoderLm> = {
  modelTypes: ["llama"],
  baseModelPrefix: "model",
  build,
  gguf: llamaGguf,
};
