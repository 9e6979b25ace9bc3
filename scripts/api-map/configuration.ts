import type { ModuleMap } from "./entry.js";

const config = "test/tptt/config/config.test.ts";
const card = "test/tptt/files/model-card.test.ts";
const modelName = "test/tptt/config/model-name.test.ts";

export const configuration: ModuleMap<"configuration_tptt"> = {
  "configuration_tptt.convert_sets_to_lists": {
    ours: "convertSetsToLists",
    test: "test/tptt/compat/convert-sets-to-lists.test.ts",
    arguments: { obj: { parameter: "value" } },
  },
  "configuration_tptt.TpttConfig": {
    ours: "TpttConfig.from",
    test: config,
    note: "`TpttConfig.parse` reads the fields of a file",
    arguments: {
      base_model_config: { none: "read from the base model's files: `TpttModel.baseConfig`" },
      base_model_name: "baseModelName",
      base_model_subfolder: "baseModelSubfolder",
      name_or_path: "nameOrPath",
      model_task: "modelTask",
      target_modules_names: "targetModulesNames",
      operator_mode: "operatorMode",
      order: "order",
      alpha_gate: { option: "alphaGate", note: "`1`, which Python's own code does not know, is `c`" },
      beta_gate: "betaGate",
      linear: "linear",
      trick: { option: "trick", note: "`derivative`, `rotative`, `combined` are `dt`, `rot`, `rdt`" },
      use_linear_checkpoint: "useLinearCheckpoint",
      max_self_attn_length: "maxSelfAttnLength",
      base_scale_attn: "baseScaleAttn",
      mag_weight: "magWeight",
      cross_gate: "crossGate",
      max_chunk_size: "maxChunkSize",
      linear_precision: { none: "the memory computes in float32; the field is read, another value refused" },
      lora_config: "loraConfig",
      padding_side: "paddingSide",
      bidirectional: "bidirectional",
      pooling_config: "poolingConfig",
      "**kwargs": { ours: "TpttConfig.fields", note: "unknown fields of a file are kept" },
    },
  },
  "configuration_tptt.TpttConfig.model_type": { ours: "TpttConfig.modelType", test: config },
  "configuration_tptt.TpttConfig.auto_map": {
    ours: "TpttConfig.toJson",
    test: config,
    note: "a field of `config.json`",
  },
  "configuration_tptt.TpttConfig.architectures": {
    ours: "TpttConfig.toJson",
    test: config,
    note: "a field of `config.json`",
  },
  "configuration_tptt.TpttConfig.RECURRENT_MODES": { ours: "TpttConfig.RECURRENT_MODES", test: config },
  "configuration_tptt.get_model_name": {
    ours: "getModelName",
    test: modelName,
    arguments: {
      lora: "lora",
      cross_gate: "crossGate",
      bidirectional: "bidirectional",
      order: "order",
      alpha_gate: "alphaGate",
      beta_gate: "betaGate",
      linear: "linear",
      trick: "trick",
      prefix: "prefix",
      add_date: "addDate",
    },
  },
  "configuration_tptt.render_template": {
    ours: "renderTemplate",
    test: card,
    arguments: { template_path: { parameter: "templatePath" }, variables: { parameter: "variables" } },
  },
  "configuration_tptt.write_model_card": {
    ours: "writeModelCard",
    test: card,
    arguments: { output_path: { parameter: "outputPath" }, content: { parameter: "content" } },
  },
  "configuration_tptt.generate_model_card": {
    ours: "generateModelCard",
    test: card,
    arguments: {
      output_path: { parameter: "outputPath" },
      config: { parameter: "config" },
      template: { parameter: "template" },
      extra_variables: { parameter: "extraVariables" },
    },
  },
};
