import { z } from "zod";
import { silu } from "../engine/index.js";
import { InputError } from "../errors.js";
import type { JsonObject } from "../io/json-file.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { RmsNorm } from "../nn/layers.js";
import { PreNormBlock } from "../nn/pre-norm-block.js";
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
  positiveInt,
} from "./config-fields.js";
import { DecoderLm, type DecoderParts } from "./decoder-lm.js";
import { qwen2Gguf } from "./qwen-gguf.js";

/*
 * Qwen2 (Yang et al., arXiv 2407.10671) and Qwen2.5 (arXiv 2412.15115): Llama with a bias on q, k and v, and a window
 * of attention in the upper layers of those models that say so.
 */

/** The config's fields that all of Qwen's decoders share. */
export const qwenFields = {
  ...decoderFields,
  num_key_value_heads: positiveInt.nullable().default(32),
  hidden_act: onlyActivation("silu"),
  max_position_embeddings: positiveInt.default(32_768),
  use_sliding_window: z.boolean().default(false),
  sliding_window: positiveInt.nullable().default(4096),
  max_window_layers: z.int().nonnegative().default(28),
  layer_types: layerTypes,
};

type QwenConfig = DecoderConfig<z.output<z.ZodObject<typeof qwenFields>>>;

/** What each layer sees: a number of tokens, or all. @throws InputError when `layer_types` cannot be followed. */
export function layerWindows(config: QwenConfig, where: string): (number | undefined)[] {
  checkLayerTypes(config, where);
  const window = config.useSlidingWindow ? (config.slidingWindow ?? undefined) : undefined;
  if (window === undefined && config.layerTypes?.includes("sliding_attention")) {
    throw new InputError(
      `${where}: layer_types`,
      "lists sliding_attention, expected use_sliding_window and a sliding_window beside it",
    );
  }
  // `max_window_layers` is how many of the lower layers see everything, whatever its name says.
  const isLocal = (i: number) =>
    config.layerTypes ? config.layerTypes[i] === "sliding_attention" : i >= config.maxWindowLayers;
  return Array.from({ length: config.numHiddenLayers }, (_, i) => (isLocal(i) ? window : undefined));
}

/** The blocks and the norm, with a window (or none) for each layer. */
export function qwen2Parts(config: QwenConfig, windows: readonly (number | undefined)[]): DecoderParts {
  const norm = () => new RmsNorm(config.hiddenSize, config.rmsNormEps);
  const rope = new RotaryEmbedding(config.headDim, config.ropeTheta, config.ropeScaling);
  const block = (window: number | undefined, layerIdx: number) =>
    new PreNormBlock({
      norm,
      attention: new RotaryAttention({ ...config, layerIdx, rope, window, qkvBias: true }),
      mlp: new GatedMlp({ ...config, activation: silu }),
    });
  return { layers: windows.map(block), norm: norm() };
}

const configSchema = z.object({ ...qwenFields, model_type: z.literal("qwen2") });

function build(json: JsonObject, where: string): DecoderLm {
  const config = parseDecoderConfig(configSchema, json, where);
  return new DecoderLm(config, qwen2Parts(config, layerWindows(config, where)));
}

export const qwen2: Architecture<DecoderLm> = {
  modelTypes: ["qwen2"],
  baseModelPrefix: "model",
  build,
  gguf: qwen2Gguf,
};
