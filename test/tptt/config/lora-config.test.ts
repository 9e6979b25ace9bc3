import { describe, expect, test } from "vitest";
import { parseWith } from "../../../src/io/validate.js";
import { loraSchema } from "../../../src/tptt/config/lora-config.js";

const parse = (fields: object) => parseWith(loraSchema, fields, "adapter_config.json");

/** What PEFT 0.21.2 writes for LoraConfig(r=8, target_modules=["q_proj"]). */
const written = {
  alora_invocation_tokens: null,
  alpha_pattern: {},
  arrow_config: null,
  auto_mapping: null,
  base_model_name_or_path: "base",
  bias: "none",
  corda_config: null,
  ensure_weight_tying: false,
  eva_config: null,
  exclude_modules: null,
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  kasa_config: null,
  layer_replication: null,
  layers_pattern: null,
  layers_to_transform: null,
  loftq_config: {},
  lora_alpha: 8,
  lora_bias: false,
  lora_dropout: 0.0,
  lora_ga_config: null,
  megatron_config: null,
  megatron_core: "megatron.core",
  modules_to_save: null,
  monteclora_config: null,
  peft_type: "LORA",
  peft_version: "0.21.2",
  qalora_group_size: 16,
  r: 8,
  rank_pattern: {},
  revision: null,
  target_modules: ["q_proj"],
  target_parameters: null,
  task_type: null,
  trainable_token_indices: null,
  use_bdlora: null,
  use_dora: false,
  use_qalora: false,
  use_rslora: false,
  velora_config: null,
};

test("what PEFT writes by default is taken as it is", () => {
  expect(parse(written)).toEqual({
    r: 8,
    loraAlpha: 8,
    loraDropout: 0,
    useRslora: false,
    targetModules: ["q_proj"],
    excludeModules: undefined,
    layersToTransform: undefined,
    layersPattern: [],
    modulesToSave: [],
    rankPattern: {},
    alphaPattern: {},
    fanInFanOut: false,
  });
  expect(parse({})).toEqual({ ...parse(written), targetModules: undefined });
});

test("every field that means something is read", () => {
  const fields = {
    r: 4,
    lora_alpha: 16,
    lora_dropout: 0.1,
    use_rslora: true,
    exclude_modules: ".*\\.0\\..*",
    layers_to_transform: 1,
    layers_pattern: "layers",
    modules_to_save: ["lm_head"],
    rank_pattern: { "layers\\.1\\.self_attn\\.q_proj": 2 },
    alpha_pattern: { k_proj: 3 },
    fan_in_fan_out: true,
    init_lora_weights: "gaussian",
  };
  expect(parse(fields)).toEqual({
    r: 4,
    loraAlpha: 16,
    loraDropout: 0.1,
    useRslora: true,
    targetModules: undefined,
    excludeModules: ".*\\.0\\..*",
    layersToTransform: [1],
    layersPattern: ["layers"],
    modulesToSave: ["lm_head"],
    rankPattern: fields.rank_pattern,
    alphaPattern: fields.alpha_pattern,
    fanInFanOut: true,
  });
});

describe("what cannot be honoured is refused by name", () => {
  test.each([
    ["use_dora", true],
    ["lora_bias", true],
    ["use_qalora", true],
    ["ensure_weight_tying", true],
    ["megatron_config", { tensor_model_parallel_size: 2 }],
    ["loftq_config", { loftq_bits: 4 }],
    ["eva_config", { rho: 2 }],
    ["corda_config", { cache_file: "x" }],
    ["trainable_token_indices", [1]],
    ["layer_replication", [[0, 1]]],
    ["target_parameters", ["experts.gate_up_proj"]],
    ["a_later_field", "on"],
  ])("%s", (key, value) => {
    expect(() => parse({ ...written, [key]: value })).toThrow(
      `adapter_config.json: ${key}: is ${JSON.stringify(value)}; this is not supported`,
    );
  });

  test.each([
    [{ bias: "all" }, 'bias: is "all"; expected none'],
    [{ init_lora_weights: "pissa" }, 'init_lora_weights: is "pissa"; expected true, false or gaussian'],
    [{ peft_type: "IA3" }, 'peft_type: is "IA3"; expected LORA'],
    [
      { target_modules: "(?i).*q_proj" },
      'target_modules: is "(?i).*q_proj"; expected a regular expression that JavaScript',
    ],
    [
      { target_modules: ".*q_proj", layers_to_transform: [0] },
      "layers_to_transform: is [0]; expected nothing beside a pattern in target_modules",
    ],
    [{ layers_pattern: ["h"] }, 'layers_pattern: is ["h"]; expected layers_to_transform beside it'],
  ])("%j", (fields, problem) => {
    expect(() => parse(fields)).toThrow(`adapter_config.json: ${problem}`);
  });
});

test("what a later PEFT writes and leaves off is passed over", () => {
  expect(parse({ later: null, another: false, third: {}, fourth: { on: false, names: [] } })).toEqual(
    parse({}),
  );
});
