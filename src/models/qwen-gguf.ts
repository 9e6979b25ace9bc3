import { commonLayer, type GgufFamily, type GgufModel } from "./gguf-model.js";

/*
 * Qwen2 and Qwen3 in GGUF files. The converter leaves the rows of q and k as they are, for llama.cpp turns the halves
 * of Qwen's heads as Hugging Face does; it writes no window of attention.
 */

const layer = { ...commonLayer, post_attention_layernorm: "ffn_norm" };

const config = (modelType: string) => (file: GgufModel) => ({
  model_type: modelType,
  ...file.config(),
  rope_theta: file.number("rope.freq_base", 10_000),
});

export const qwen2Gguf: GgufFamily = { name: "qwen2", layer, config: config("qwen2") };

export const qwen3Gguf: GgufFamily = {
  name: "qwen3",
  layer: { ...layer, "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm" },
  config: config("qwen3"),
};
