import type { GgufFamily } from "./gguf-model.js";

/** GPT-2 in GGUF files, whose converter turns the weights to [out, in]. */
export const gpt2Gguf: GgufFamily = {
  name: "gpt2",
  layers: "transformer.h",
  layer: {
    ln_1: "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    ln_2: "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
  },
  outside: {
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    lm_head: "output",
  },

  config(file) {
    return {
      model_type: "gpt2",
      ...file.vocabularyConfig(),
      n_positions: file.number("context_length"),
      n_embd: file.number("embedding_length"),
      n_layer: file.number("block_count"),
      n_head: file.number("attention.head_count"),
      n_inner: file.number("feed_forward_length"),
      layer_norm_epsilon: file.epsilon("attention.layer_norm_epsilon"),
    };
  },

  transposed: (parameter) => /\.c_\w+\.weight$/.test(parameter),
};
