import { z } from "zod";
import { silu } from "../engine/index.js";
import { InputError } from "../errors.js";
import type { JsonObject } from "../io/json-file.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { RmsNorm } from "../nn/layers.js";
import { MixtureOfExperts } from "../nn/mixture-of-experts.js";
import { PreNormBlock } from "../nn/pre-norm-block.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import type { Architecture } from "./architecture.js";
import {
  clipQkv,
  decoderFields,
  onlyActivation,
  parseDecoderConfig,
  partCount,
  positiveInt,
} from "./config-fields.js";
import { DecoderLm } from "./decoder-lm.js";
import { olmoeGguf } from "./olmo-gguf.js";
import { Olmo2Attention } from "./olmo2.js";

/*
 * OLMoE (Muennighoff et al., arXiv 2409.02060). Beside Llama: norms on q and k over all heads together; queries, keys
 * and values that may be clipped, after these norms and for softmax attention only; many small feed-forward networks,
 * of which a router chooses a few for each token. Its loss of balance between experts is for pretraining; as in
 * transformers, a fine-tuning does without it unless the config asks, and then we refuse.
 */

/** In all layers together; what says more is not believed, for they are made before weights are looked at. */
const mostExperts = 32_768;

const configSchema = z.object({
  ...decoderFields,
  model_type: z.literal("olmoe"),
  hidden_act: onlyActivation("silu"),
  max_position_embeddings: positiveInt.default(4096),
  rms_norm_eps: z.number().positive().default(1e-5),
  attention_bias: z.boolean().default(false),
  clip_qkv: clipQkv,
  num_experts: partCount.default(64),
  num_experts_per_tok: positiveInt.default(8),
  norm_topk_prob: z.boolean().default(false),
  output_router_logits: z
    .literal(false, "expected false: the loss of balance between experts is not computed")
    .default(false),
});

function build(json: JsonObject, where: string): DecoderLm {
  const config = parseDecoderConfig(configSchema, json, where);
  const { attentionBias, hiddenSize, numExperts, numExpertsPerTok } = config;
  if (numExpertsPerTok > numExperts) {
    throw new InputError(
      `${where}: num_experts_per_tok`,
      `is ${numExpertsPerTok}, expected at most num_experts (${numExperts})`,
    );
  }
  if (config.numHiddenLayers * numExperts > mostExperts) {
    throw new InputError(
      `${where}: num_experts`,
      `is ${numExperts} in each of ${config.numHiddenLayers} layers, expected at most ${mostExperts} in all`,
    );
  }
  const norm = () => new RmsNorm(hiddenSize, config.rmsNormEps);
  const rope = new RotaryEmbedding(config.headDim, config.ropeTheta, config.ropeScaling);
  const common = { ...config, qkvBias: attentionBias, outBias: attentionBias, clip: config.clipQkv };
  const block = (layerIdx: number) =>
    new PreNormBlock({
      norm,
      attention: new Olmo2Attention({ ...common, layerIdx, rope }, config.rmsNormEps),
      mlp: new MixtureOfExperts({
        hiddenSize,
        expertsPerToken: numExpertsPerTok,
        normalize: config.normTopkProb,
        experts: Array.from({ length: numExperts }, () => new GatedMlp({ ...config, activation: silu })),
      }),
    });
  return new DecoderLm(config, {
    layers: Array.from({ length: config.numHiddenLayers }, (_, i) => block(i)),
    norm: norm(),
  });
}

export const olmoe: Architecture<DecoderLm> = {
  modelTypes: ["olmoe"],
  baseModelPrefix: "model",
  build,
  gguf: olmoeGguf,
};
