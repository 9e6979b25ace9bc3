import { z } from "zod";
import { silu } from "../engine/index.js";
import type { JsonObject } from "../io/json-file.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { RmsNorm } from "../nn/layers.js";
import { PreNormBlock } from "../nn/pre-norm-block.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import { RotaryAttention } from "../nn/rotary-attention.js";
import type { Architecture } from "./architecture.js";
import { decoderFields, onlyActivation, parseDecoderConfig, positiveInt } from "./config-fields.js";
import { DecoderLm } from "./decoder-lm.js";

/* Mistral (Jiang et al., arXiv 2310.06825): Llama with a sliding window of attention in every layer. */

const configSchema = z.object({
  ...decoderFields,
  model_type: z.literal("mistral"),
  num_key_value_heads: positiveInt.nullable().default(8),
  hidden_act: onlyActivation("silu"),
  max_position_embeddings: positiveInt.default(131_072),
  sliding_window: positiveInt.nullable().default(4096),
});

function build(json: JsonObject, where: string): DecoderLm {
  const config = parseDecoderConfig(configSchema, json, where);
  const norm = () => new RmsNorm(config.hiddenSize, config.rmsNormEps);
  const rope = new RotaryEmbedding(config.headDim, config.ropeTheta, config.ropeScaling);
  const window = config.slidingWindow ?? undefined;
  const block = (layerIdx: number) =>
    new PreNormBlock({
      norm,
      attention: new RotaryAttention({ ...config, layerIdx, rope, window }),
      mlp: new GatedMlp({ ...config, activation: silu }),
    });
  return new DecoderLm(config, {
    layers: Array.from({ length: config.numHiddenLayers }, (_, i) => block(i)),
    norm: norm(),
  });
}

/** GGUF files of Mistral say that they are Llamas, and nothing of a window. */
export const mistral: Architecture<DecoderLm> = { modelTypes: ["mistral"], baseModelPrefix: "model", build };
