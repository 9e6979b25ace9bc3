import type { GgufField } from "../io/gguf-bytes.js";

/** What the metadata of `llama-gqa` and its relatives say. */
export const llamaFields: Record<string, GgufField> = {
  context_length: ["u32", 128],
  embedding_length: ["u32", 32],
  block_count: ["u32", 2],
  feed_forward_length: ["u32", 56],
  "attention.head_count": ["u32", 4],
  "attention.head_count_kv": ["u32", 2],
  "attention.key_length": ["u32", 12],
  "attention.layer_norm_rms_epsilon": ["f32", 1e-5],
  "tokenizer.ggml.eos_token_id": ["u32", 2],
  "tokenizer.ggml.eot_token_id": ["u32", 7],
};

/** Names as llama.cpp's converter gives them to Llama and its like. */
export const llamaName = (name: string): string =>
  decoderName(name).replace("post_attention_layernorm", "ffn_norm");

/** The part of them that other families share, who have norms of their own. */
export const decoderName = (name: string): string =>
  name
    .replace("model.embed_tokens", "token_embd")
    .replace("model.norm", "output_norm")
    .replace("lm_head", "output")
    .replace("model.layers", "blk")
    .replace("self_attn.o_proj", "attn_output")
    .replace(/self_attn\.(.)_proj/, "attn_$1")
    .replace(/self_attn\.(.)_norm/, "attn_$1_norm")
    .replace(/mlp\.(.*)_proj/, "ffn_$1")
    .replace("input_layernorm", "attn_norm");
