import type { ModuleMap } from "./entry.js";

const linearAttention = "test/tptt/memory/linear-attention.test.ts";
const inject = "test/tptt/layer/inject.test.ts";
const operator = "test/tptt/memory/linear-attention-op.test.ts";
const liza = "test/tptt/layer/liza-attention.test.ts";
const scan = "test/tptt/memory/delta-product-scan.test.ts";
const titanFolder = "test/tptt/files/titan-folder.test.ts";
const model = "test/tptt/tptt-model.test.ts";
const reference = "test/tptt/memory/reference-memory.test.ts";
const names = "test/tptt/layer/module-names.test.ts";
const stability = "test/tptt/compat/stability.test.ts";
const pooling = "test/tptt/memory/pooling.test.ts";
const convolution = "test/tptt/memory/causal-conv.test.ts";
const expander = "test/tptt/memory/virtual-token-expander.test.ts";

const precision = { none: "the memory computes in float32" };
const dtype = { none: "that of the input" };
const device = { none: "graphs run where they are compiled for" };
const more = { none: "every input has a name" };
const checkpointing = { none: "of whole layers: `useLinearCheckpoint` of `LinearAttention`" };
const mode = { option: "recurrentConfig", note: "one of `TpttConfig.RECURRENT_MODES`" } as const;
const state = { parameter: "state" };
const inPythonsForm = "of the form `tptt-0.12`";

export const modeling: ModuleMap<"modeling_tptt"> = {
  "modeling_tptt.LCache": { ours: "LCache", test: linearAttention },
  "modeling_tptt.LCache.update": {
    ours: "LCache.update",
    test: linearAttention,
    arguments: { layer_idx: { parameter: "layerIdx" }, "**kwargs": state },
  },
  "modeling_tptt.LCache.reset": { ours: "LCache.reset", test: linearAttention },
  "modeling_tptt.CausalConv1d": {
    ours: "CausalConv1d",
    test: convolution,
    arguments: {
      in_channels: "inChannels",
      out_channels: "outChannels",
      kernel_size: "kernelSize",
      dilation: "dilation",
      offset: "offset",
      padding_mode: "paddingMode",
      padding_value: "paddingValue",
    },
  },
  "modeling_tptt.CausalConv1d.forward": {
    ours: "CausalConv1d.forward",
    test: convolution,
    arguments: { x: { parameter: "x" } },
  },
  "modeling_tptt.CausalAvgPool1d": {
    ours: "CausalAvgPool1d",
    test: pooling,
    arguments: {
      input_size: "inputSize",
      output_size: "outputSize",
      kernel_size: "kernelSize",
      dilation: "dilation",
      offset: "offset",
      padding_mode: "paddingMode",
      offsets: "offsets",
      mode: { option: "paddingMode", note: "its name in 0.12.0" },
    },
  },
  "modeling_tptt.CausalAvgPool1d.forward": {
    ours: "CausalAvgPool1d.forward",
    test: pooling,
    arguments: { x: { parameter: "x" } },
  },
  "modeling_tptt.VirtualTokenExpander": {
    ours: "VirtualTokenExpander",
    test: expander,
    arguments: {
      num_heads: { none: "read off the input's shape" },
      head_dim: { none: "read off the input's shape" },
      n: { parameter: "n" },
      mode: { parameter: "mode" },
      flip: { none: "always, as by default and everywhere in Python" },
    },
  },
  "modeling_tptt.VirtualTokenExpander.forward": {
    ours: "VirtualTokenExpander.forward",
    test: expander,
    arguments: { x: { parameter: "x" }, force: { parameter: "force" } },
  },
  "modeling_tptt.LinearAttention": {
    ours: "LinearAttention",
    test: linearAttention,
    arguments: {
      hidden_dim: "hiddenDim",
      num_heads: "numHeads",
      head_dim: "headDim",
      num_key_value_heads: "numKeyValueHeads",
      num_key_value_groups: { none: "`numHeads` / `numKeyValueHeads`" },
      bias: "bias",
      dropout: "dropout",
      linear_precision: precision,
      padding_side: "paddingSide",
      shared_attn: { option: "hiddenDim", note: "left out: the layer reads the projections of another" },
      layer_idx: "layerIdx",
      operator_mode: mode,
      use_linear_checkpoint: "useLinearCheckpoint",
      recurrent_config: "recurrentConfig",
      linear_cache: "linearCache",
      max_chunk_size: "maxChunkSize",
      bidirectional: "bidirectional",
      pooling_config: "poolingConfig",
    },
  },
  "modeling_tptt.LinearAttention.get_cache": {
    ours: "LinearAttention.getCache",
    test: linearAttention,
    arguments: { use_cache: { parameter: "context", note: "`context.past` says whether a pass goes on" } },
  },
  "modeling_tptt.LinearAttention.save_cache": {
    ours: "LinearAttention.saveCache",
    test: linearAttention,
    arguments: {
      q: state,
      k: state,
      v: state,
      alpha: state,
      beta: state,
      state,
      n_orders: { none: "the state holds as many tokens as are looked back on" },
    },
  },
  "modeling_tptt.LinearAttention.compute_gate": {
    ours: "ReferenceMemory.computeGate",
    test: reference,
    note: `${inPythonsForm}; \`ExactMemory.computeGate\` in the exact one`,
    arguments: { k: { parameter: "k" }, v: { parameter: "v" } },
  },
  "modeling_tptt.LinearAttention.compute_extended_householder": {
    ours: "ReferenceMemory.computeExtendedHouseholder",
    test: reference,
    note: inPythonsForm,
    arguments: {
      q: "q",
      k: "k",
      v: "v",
      alpha: "alpha",
      beta: "beta",
      seq_len: { none: "read off the input's shape" },
    },
  },
  "modeling_tptt.LinearAttention.prepare_attention_input": {
    ours: "prepareAttentionInput",
    test: reference,
    arguments: { q: "q", k: "k", v: "v" },
  },
  "modeling_tptt.LinearAttention.merge_head_output": {
    ours: "LinearAttention.mergeHeadOutput",
    test: linearAttention,
    arguments: {
      out: { parameter: "heads" },
      out_proj: { none: "the layer's own; without one, the caller projects" },
      dtype,
      device,
    },
  },
  "modeling_tptt.LinearAttention.forward": {
    ours: "LinearAttention.forward",
    test: linearAttention,
    arguments: {
      x: { parameter: "x" },
      attn_mask: { parameter: "context", note: "`context.mask`" },
      out_proj: { none: "the layer's own; without one, the caller projects" },
      "**kwargs": more,
    },
  },
  "modeling_tptt.MemoryAsGate": {
    ours: "MemoryAsGate",
    test: "test/tptt/layer/memory-as-gate.test.ts",
    arguments: { hidden_dim: "hiddenDim", mode: "mode", mag_ratio: "magRatio" },
  },
  "modeling_tptt.MemoryAsGate.forward": {
    ours: "MemoryAsGate.forward",
    test: "test/tptt/layer/memory-as-gate.test.ts",
    arguments: { hidden_states: { parameter: "x" } },
  },
  "modeling_tptt.LiZAttention": {
    ours: "LiZAttention",
    test: liza,
    arguments: {
      base_attn: { parameter: "base" },
      layer_idx: { ours: "LiZAttention.layerIdx", note: "that of the base layer" },
      base_config: { none: "the base layer knows its heads" },
      linear_cache: { parameter: "linearCache" },
      operator_mode: mode,
      use_linear_checkpoint: "useLinearCheckpoint",
      recurrent_config: "recurrentConfig",
      max_self_attn_length: "maxSelfAttnLength",
      base_scale_attn: "baseScaleAttn",
      mag_weight: "magWeight",
      cross_gate: "crossGate",
      max_chunk_size: "maxChunkSize",
      linear_precision: precision,
      padding_side: "paddingSide",
      disable_linear_attn: { ours: "LiZAttention.disableLinearAttn", note: "a property" },
      bidirectional: "bidirectional",
      pooling_config: "poolingConfig",
    },
  },
  "modeling_tptt.LiZAttention.forward": {
    ours: "LiZAttention.forward",
    test: liza,
    arguments: {
      hidden_states: { parameter: "x" },
      attention_mask: { parameter: "context", note: "`context.mask`" },
      "**kwargs": more,
    },
  },
  "modeling_tptt.LiZAttention.is_sliding": { ours: "LiZAttention.isSliding", test: inject },
  "modeling_tptt.load_tptt_safetensors": {
    ours: "loadTpttSafetensors",
    test: "test/tptt/files/adapter-file.test.ts",
    arguments: {
      repo_or_path: { parameter: "path" },
      model: { parameter: "parameters", note: "of the model; gives their values" },
      subfolder: { none: "a part of the path" },
      token: { none: "nothing is downloaded" },
    },
  },
  "modeling_tptt.get_tptt_model": {
    ours: "getTpttModel",
    test: inject,
    arguments: {
      model: { parameter: "model" },
      base_config: { none: "the model knows its layers" },
      linear_cache: "linearCache",
      liza_attention: { none: "always `LiZAttention`" },
      target_modules_names: "targetModulesNames",
      operator_mode: mode,
      use_linear_checkpoint: "useLinearCheckpoint",
      recurrent_config: "recurrentConfig",
      base_scale_attn: "baseScaleAttn",
      mag_weight: "magWeight",
      cross_gate: "crossGate",
      max_chunk_size: "maxChunkSize",
      linear_precision: precision,
      max_self_attn_length: "maxSelfAttnLength",
      padding_side: "paddingSide",
      bidirectional: "bidirectional",
      pooling_config: "poolingConfig",
      "**kwargs": { none: "every option has a name" },
    },
  },
  "modeling_tptt.save_tptt_safetensors": {
    ours: "saveTpttSafetensors",
    test: "test/tptt/files/adapter-file.test.ts",
    arguments: {
      model: { parameter: "tensors", note: "the trained weights by their paths in the model" },
      path: { parameter: "path" },
      name: { none: "the path is that of the file" },
    },
  },
  "modeling_tptt.TpttModel": {
    ours: "TpttModel",
    test: titanFolder,
    arguments: { config: "config", "**kwargs": { none: "`TpttModel.fromPretrained` opens the base model" } },
  },
  "modeling_tptt.TpttModel.config_class": {
    ours: "TpttModel.config",
    test: titanFolder,
    note: "a `TpttConfig`",
  },
  "modeling_tptt.TpttModel.forward": {
    ours: "TpttModel.forward",
    test: model,
    note: "`TpttModel.encode` for models without an output head",
    arguments: {
      input_ids: "inputIds",
      attention_mask: "attentionMask",
      labels: "labels",
      "**kwargs": more,
    },
  },
  "modeling_tptt.TpttModel.generate": {
    ours: "TpttModel.generate",
    test: "test/tptt/text-generation.test.ts",
    note: "`TpttModel.stream` gives the text piece by piece",
    arguments: {
      "*args": { none: "every option has a name" },
      "**kwargs": { parameter: "options" },
    },
  },
  "modeling_tptt.TpttModel.save_pretrained": {
    ours: "TpttModel.savePretrained",
    test: titanFolder,
    arguments: { path: { parameter: "folder" }, "**kwargs": { none: "a titan has one form on disk" } },
  },
  "modeling_tptt.TpttModel.retie_lm_after_load": {
    ours: "TpttModel.retieLmAfterLoad",
    test: "test/tptt/compat/retie.test.ts",
    arguments: { "**kwargs": { parameter: "options", note: "`tieWordEmbeddings`" } },
  },
  "modeling_tptt.TpttModel.from_pretrained": {
    ours: "TpttModel.fromPretrained",
    test: titanFolder,
    arguments: {
      pretrained_model_name_or_path: { parameter: "name" },
      "*model_args": { none: "every option has a name" },
      "**kwargs": { parameter: "options", note: "those of `TpttConfig`" },
    },
  },
  "modeling_tptt.LinearAttentionOp": {
    ours: "LinearAttentionOp",
    test: operator,
    arguments: {
      use_linear_checkpoint: checkpointing,
      max_chunk_size: "maxChunkSize",
      linear_precision: precision,
    },
  },
  "modeling_tptt.LinearAttentionOp.forward": {
    ours: "LinearAttentionOp.forward",
    test: operator,
    arguments: {
      q: "q",
      k: "k",
      v: "v",
      alpha: "alpha",
      beta: "beta",
      linear_activation: { option: "linear", note: "of the constructor" },
      recurrent_state: "state",
      "**kwargs": more,
    },
  },
  "modeling_tptt.LinearAttentionOp.chunk_delta_product_forward": {
    ours: "LinearAttentionOp.chunkDeltaProductForward",
    test: scan,
    arguments: {
      query: "q",
      key: "k",
      value: "v",
      alpha: "alpha",
      beta: "beta",
      chunk_size: { parameter: "chunkSize" },
      linear_activation: "linear",
      initial_state: "initialState",
      use_checkpoint: checkpointing,
      linear_precision: precision,
    },
  },
  "modeling_tptt.sequential_delta_product_scan": {
    ours: "sequentialDeltaProductScan",
    test: scan,
    arguments: {
      q_chunks: "q",
      w: "w",
      u: "u",
      alpha_chunks: "alpha",
      linear_activation: "linear",
      initial_recurrent_state: "initialState",
      linear_precision: precision,
      use_checkpoint: checkpointing,
    },
  },
  "modeling_tptt.unlinear_activation": {
    ours: "unlinearActivation",
    test: "test/tptt/memory/unlinear-activation.test.ts",
    arguments: { x: { parameter: "x" }, scale: { parameter: "scale" } },
  },
  "modeling_tptt.extract_layer_idx": {
    ours: "extractLayerIdx",
    test: names,
    arguments: { module_name: { parameter: "moduleName" } },
  },
  "modeling_tptt.find_embedding_lm": {
    ours: "findEmbeddingLm",
    test: names,
    arguments: { module: { parameter: "module" } },
  },
  "modeling_tptt.set_trainable_parameters": {
    ours: "setTrainableParameters",
    test: inject,
    arguments: { model: { parameter: "model" }, trainable_patterns: { parameter: "patterns" } },
  },
  "modeling_tptt.apply_linear_attention_mask": {
    ours: "applyLinearAttentionMask",
    test: "test/tptt/memory/linear-attention-mask.test.ts",
    arguments: {
      attention_mask: { parameter: "attentionMask" },
      v: { parameter: "v" },
      padding_side: { parameter: "paddingSide" },
    },
  },
  "modeling_tptt.truncate_attention_mask": {
    ours: "truncateAttentionMask",
    test: "test/tptt/compat/attention-mask.test.ts",
    arguments: {
      hidden_states: { parameter: "hiddenStates" },
      attention_mask: { parameter: "attentionMask" },
      max_length: { parameter: "maxLength" },
    },
  },
  "modeling_tptt.construct_causal_forward_solver": {
    ours: "constructCausalForwardSolver",
    test: scan,
    arguments: { tri_tensor: { parameter: "tri" }, dtype },
  },
  "modeling_tptt.get_valid_chunk_size": {
    ours: "getValidChunkSize",
    test: scan,
    arguments: { total_l: { parameter: "length" }, chunk_size: { parameter: "chunkSize" } },
  },
  "modeling_tptt.split_qkv": {
    ours: "splitQkv",
    test: "test/nn/split-qkv.test.ts",
    arguments: {
      base_attn: { parameter: "numHeads", note: "with the numbers of key heads and of channels" },
      qkv: { parameter: "qkv" },
    },
  },
  "modeling_tptt.match_dim": {
    ours: "matchDim",
    test: "test/tptt/compat/match-dim.test.ts",
    arguments: {
      x: { parameter: "x" },
      dim: { parameter: "dim" },
      target_size: { parameter: "targetSize" },
    },
  },
  "modeling_tptt.ensure_stability": {
    ours: "ensureStability",
    test: stability,
    arguments: {
      tensor: { parameter: "x" },
      min_val: { parameter: "min" },
      max_val: { parameter: "max" },
    },
  },
  "modeling_tptt.soft_clamp": {
    ours: "softClamp",
    test: stability,
    arguments: { x: { parameter: "x" }, min_val: { parameter: "min" }, max_val: { parameter: "max" } },
  },
  "modeling_tptt.describe": {
    ours: "describe",
    test: "test/tptt/compat/describe.test.ts",
    arguments: { x: { parameter: "x" }, name: { parameter: "name" } },
  },
};
