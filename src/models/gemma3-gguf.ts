import type { Tensor } from "../engine/index.js";
import { commonLayer, type GgufFamily } from "./gguf-model.js";

/** Number of layers of Gemma 3 27B, the only size whose attention scale is not that of its head size. */
const layersOf27B = 62;

function lessOne(tensor: Tensor): Tensor {
  for (let i = 0; i < tensor.size; i++) tensor.f32[i]! -= 1;
  return tensor;
}

/** Gemma 3 in GGUF files. */
export const gemma3Gguf: GgufFamily = {
  name: "gemma3",
  layer: {
    ...commonLayer,
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    post_attention_layernorm: "post_attention_norm",
    pre_feedforward_layernorm: "ffn_norm",
    post_feedforward_layernorm: "post_ffw_norm",
  },

  config(file) {
    const config = file.config();
    const perHead = file.number("embedding_length") / file.number("attention.head_count");
    return {
      model_type: "gemma3_text",
      ...config,
      rope_theta: file.number("rope.freq_base", 1_000_000),
      rope_local_base_freq: file.number("rope.freq_base_swa", 10_000),
      sliding_window: file.number("attention.sliding_window"),
      query_pre_attn_scalar: file.number("block_count") === layersOf27B ? perHead : file.headDim,
    };
  },

  // llama.cpp multiplies by the weight itself, Gemma's own checkpoints hold weight - 1.
  restorer: (parameter) => (parameter.endsWith("norm.weight") ? lessOne : undefined),
};
