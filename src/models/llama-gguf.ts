import { arrayType, Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import type { JsonObject } from "../io/json-file.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import { commonLayer, type GgufFamily, type GgufModel, type Restorer } from "./gguf-model.js";

/** Llama in GGUF files, which also Mistral's are. */
export const llamaGguf: GgufFamily = {
  name: "llama",
  layer: { ...commonLayer, post_attention_layernorm: "ffn_norm" },

  async config(file) {
    const config = file.config();
    const ropeTheta = file.number("rope.freq_base", 10_000);
    return {
      model_type: "llama",
      ...config,
      rope_theta: ropeTheta,
      rope_scaling: file.has(ropeFactors) ? await llama3Scaling(file, ropeTheta) : config.rope_scaling,
      mlp_bias: file.has("blk.0.ffn_up.bias"),
    };
  },

  restorer: (parameter, file) => (/\.[qk]_proj\./.test(parameter) ? halvesTogether(file.headDim) : undefined),
};

/** llama.cpp turns neighbouring channels, Hugging Face channels i and i + D/2: rows 2i and 2i + 1 of a head become i and i + D/2. */
export const halvesTogether =
  (headDim: number): Restorer =>
  ({ dtype, shape, data }) => {
    const from = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const width = from.length / shape[0]!;
    const to = new Uint8Array(from.length);
    for (let row = 0; row < shape[0]!; row++) {
      const channel = row % headDim;
      const target = row - channel + (channel % 2) * (headDim / 2) + Math.floor(channel / 2);
      to.set(from.subarray(row * width, (row + 1) * width), target * width);
    }
    return new Tensor(dtype, shape, new (arrayType(dtype))(to.buffer));
  };

const ropeFactors = "rope_freqs.weight";

/**
 * Llama 3.1 and later: the file holds what each frequency is divided by, not the rule. The factor is that of the
 * longest wave; the rest of the rule is the one that Meta gave all of these models, and must give these very numbers.
 */
async function llama3Scaling(file: GgufModel, theta: number): Promise<JsonObject> {
  const divisors = [...(await file.source.read(ropeFactors)).f32];
  const factor = Math.max(...divisors);
  const rule = { lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 8192 };
  const plain = new RotaryEmbedding(file.headDim, theta);
  const ruled = new RotaryEmbedding(file.headDim, theta, { type: "llama3", factor, ...rule });
  const agree = (divisor: number, i: number) =>
    Math.abs(plain.frequencies[i]! / divisor / ruled.frequencies[i]! - 1) < 1e-4;
  if (divisors.length !== file.headDim / 2 || !divisors.every(agree)) {
    throw new InputError(
      `${file.source.name}: tensor ${ropeFactors}`,
      `is not the llama3 scaling by ${factor} of ${rule.originalMaxPositionEmbeddings} positions; take the model as a Hugging Face folder`,
    );
  }
  return {
    rope_type: "llama3",
    factor,
    low_freq_factor: rule.lowFreqFactor,
    high_freq_factor: rule.highFreqFactor,
    original_max_position_embeddings: rule.originalMaxPositionEmbeddings,
  };
}
