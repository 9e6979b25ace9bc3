import { InputError } from "../errors.js";
import { commonLayer, type GgufFamily, type GgufModel } from "./gguf-model.js";
import { halvesTogether } from "./llama-gguf.js";

/* The three generations of OLMo in GGUF files. */

const ropeTheta = (file: GgufModel) => file.number("rope.freq_base", 10_000);

/** OLMo, whose norms have no weights; rows of q and k lie as in Llama's files, biases as Hugging Face has them. */
export const olmoGguf: GgufFamily = {
  name: "olmo",
  layer: commonLayer,

  config(file) {
    return {
      model_type: "olmo",
      ...file.rotaryConfig(),
      rope_theta: ropeTheta(file),
      // llama.cpp too takes 0 for none.
      clip_qkv: file.number("attention.clamp_kqv", 0) || null,
    };
  },

  restorer: (parameter, file) =>
    /\.[qk]_proj\.weight$/.test(parameter) ? halvesTogether(file.headDim) : undefined,
};

const normedQueriesAndKeys = {
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
} as const;

/** OLMo 2. */
export const olmo2Gguf: GgufFamily = {
  name: "olmo2",
  layer: {
    ...commonLayer,
    ...normedQueriesAndKeys,
    post_attention_layernorm: "post_attention_norm",
    post_feedforward_layernorm: "post_ffw_norm",
  },

  config(file) {
    const window = file.number("attention.sliding_window", 0);
    if (window > 0) {
      throw new InputError(
        `${file.source.name}: olmo2.attention.sliding_window`,
        `is ${window}: this is OLMo 3, which is not supported; take an OLMo 2`,
      );
    }
    return { model_type: "olmo2", ...file.config(), rope_theta: ropeTheta(file) };
  },
};

/** OLMoE; its files do not say whether weights of experts are normalised, for llama.cpp they never are. */
export const olmoeGguf: GgufFamily = {
  name: "olmoe",
  layer: {
    ...commonLayer,
    ...normedQueriesAndKeys,
    post_attention_layernorm: "ffn_norm",
    "mlp.gate": "ffn_gate_inp",
    "mlp.experts.*.gate_proj": "ffn_gate.*",
    "mlp.experts.*.up_proj": "ffn_up.*",
    "mlp.experts.*.down_proj": "ffn_down.*",
  },

  config(file) {
    return {
      model_type: "olmoe",
      ...file.config(),
      rope_theta: ropeTheta(file),
      num_experts: file.number("expert_count"),
      num_experts_per_tok: file.number("expert_used_count"),
    };
  },
};
