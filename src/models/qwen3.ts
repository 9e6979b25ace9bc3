import { z } from "zod";
import { silu, type Value } from "../engine/index.js";
import type { JsonObject } from "../io/json-file.js";
import { GatedMlp } from "../nn/gated-mlp.js";
import { RmsNorm } from "../nn/layers.js";
import { PreNormBlock } from "../nn/pre-norm-block.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import { RotaryAttention } from "../nn/rotary-attention.js";
import type { Architecture } from "./architecture.js";
import { type DecoderConfig, parseDecoderConfig, positiveInt } from "./config-fields.js";
import { DecoderLm } from "./decoder-lm.js";
import { qwen3Gguf } from "./qwen-gguf.js";
import { layerWindows, qwenFields } from "./qwen2.js";

/*
 * Qwen3, the dense models (Yang et al., arXiv 2505.09388): Qwen2 without the bias, but with a norm on each head of q
 * and k before the rotation, and heads whose size is a field of its own.
 */

const configSchema = z.object({
  ...qwenFields,
  model_type: z.literal("qwen3"),
  head_dim: positiveInt.default(128),
  attention_bias: z.boolean().default(false),
});

type Qwen3Config = DecoderConfig<z.output<typeof configSchema>>;

class Qwen3Attention extends RotaryAttention {
  readonly q_norm: RmsNorm;
  readonly k_norm: RmsNorm;

  constructor(config: Qwen3Config, layerIdx: number, rope: RotaryEmbedding, window: number | undefined) {
    const bias = config.attentionBias;
    super({ ...config, layerIdx, rope, window, qkvBias: bias, outBias: bias });
    this.q_norm = new RmsNorm(this.headDim, config.rmsNormEps);
    this.k_norm = new RmsNorm(this.headDim, config.rmsNormEps);
  }

  protected override queryHeads(q: Value): Value {
    return this.q_norm.forward(super.queryHeads(q));
  }

  protected override keyHeads(k: Value): Value {
    return this.k_norm.forward(super.keyHeads(k));
  }
}

function build(json: JsonObject, where: string): DecoderLm {
  const config = parseDecoderConfig(configSchema, json, where);
  const norm = () => new RmsNorm(config.hiddenSize, config.rmsNormEps);
  const rope = new RotaryEmbedding(config.headDim, config.ropeTheta, config.ropeScaling);
  const block = (window: number | undefined, layerIdx: number) =>
    new PreNormBlock({
      norm,
      attention: new Qwen3Attention(config, layerIdx, rope, window),
      mlp: new GatedMlp({ ...config, activation: silu }),
    });
  return new DecoderLm(config, { layers: layerWindows(config, where).map(block), norm: norm() });
}

export const qwen3: Architecture<DecoderLm> = {
  modelTypes: ["qwen3"],
  baseModelPrefix: "model",
  build,
  gguf: qwen3Gguf,
};
