import { describe, expect, test } from "vitest";
import { InputError } from "../../../src/errors.js";
import { TpttConfig, type TpttConfigOptions } from "../../../src/tptt/config/config.js";
import type { OperatorMode } from "../../../src/tptt/config/operator-config.js";

const base = { model_type: "llama", architectures: ["LlamaForCausalLM"], hidden_size: 32 };

describe("TpttConfig", () => {
  test("its defaults are those of Python", () => {
    expect(TpttConfig.from({})).toMatchObject({
      modelType: "tptt",
      baseModelName: "google/gemma-3-270m",
      baseModelSubfolder: undefined,
      nameOrPath: "Titans-gemma-3-270m",
      targetModulesNames: ["attn", "self_attn", "attention"],
      operatorMode: undefined,
      recurrentConfig: { order: 1, alphaGate: "c", betaGate: "k", linear: true, trick: "dt" },
      maxSelfAttnLength: undefined,
      baseScaleAttn: false,
      magWeight: 0.5,
      crossGate: false,
      maxChunkSize: 64,
      loraConfig: undefined,
      paddingSide: "right",
      bidirectional: false,
      disableLinearAttn: false,
      operatorForm: "exact",
      poolingConfig: { lookahead: false },
      useLinearCheckpoint: false,
    });
  });

  // RECURRENT_MODES of tptt 0.12.1.
  test.each([
    ["delta_rule", [1, "c", "k", true, "dt"]],
    ["gated_delta_rule", [1, "k", "k", true, "dt"]],
    ["delta_rule_v", [1, "c", "v", true, "dt"]],
    ["delta_rule_kv", [1, "c", "kv", true, "dt"]],
    ["delta_rule_gelu", [1, "c", "k", false, "dt"]],
    ["delta_product", [2, "c", "k", true, "dt"]],
    ["gated_delta_product", [2, "k", "k", true, "dt"]],
    ["delta_product_r", [2, "c", "k", true, "rot"]],
    ["delta_product_c", [2, "c", "k", true, "rdt"]],
  ] as [OperatorMode, unknown[]][])(
    "the mode %s is Python's",
    (operatorMode, [order, alphaGate, betaGate, linear, trick]) => {
      const { recurrentConfig } = TpttConfig.from({ operatorMode });
      expect(recurrentConfig).toEqual({ order, alphaGate, betaGate, linear, trick });
      expect(TpttConfig.RECURRENT_MODES[operatorMode]).toEqual(recurrentConfig);
    },
  );

  test.each([
    [{ alpha_gate: "1" }, { alphaGate: "c" }],
    [{ beta_gate: "1" }, { betaGate: "c" }],
    [{ trick: "derivative" }, { trick: "dt" }],
    [{ trick: "rotative" }, { trick: "rot" }],
    [{ trick: "combined" }, { trick: "rdt" }],
    [
      { recurrent_config: { order: 3, alpha_gate: "1", trick: "combined" } },
      { order: 3, alphaGate: "c", trick: "rdt" },
    ],
  ])("%j is known by Python's other name", (fields, expected) => {
    expect(TpttConfig.parse(fields, "config.json").recurrentConfig).toMatchObject(expected);
  });

  test.each([
    [{ lookahead: true }, true],
    [{ offsets: [0, 1, 2], mode: "replicate" }, true],
    [{ offsets: [0, -1, -2] }, false],
    [{}, false],
    [null, false],
  ])("the pool %j looks ahead: %s", (pooling_config, lookahead) => {
    const fields = { operator_form: "tptt-0.12", pooling_config, linear_precision: "float32" };
    const config = TpttConfig.parse(fields, "config.json");
    expect(config.poolingConfig).toEqual({ lookahead });
    expect(config.toJson({})).toMatchObject(fields);
  });

  test("a named operator goes before its parts", () => {
    const { recurrentConfig } = TpttConfig.from({ operatorMode: "delta_product", order: 5, trick: "rot" });
    expect(recurrentConfig).toEqual(TpttConfig.RECURRENT_MODES.delta_product);
  });

  test.each([
    [{ operator_mode: "delta" }, 'config.json: operator_mode: is "delta"'],
    [{ mag_weight: 1.5 }, "config.json: mag_weight: is 1.5"],
    [{ order: 0 }, "config.json: order: is 0"],
    [{ order: 9 }, "config.json: order: is 9; expected at most 8 virtual tokens"],
    [{ alpha_gate: "q" }, 'config.json: alpha_gate: is "q"'],
    [{ recurrent_config: { trick: "none" } }, 'config.json: recurrent_config.trick: is "none"'],
    [{ operator_form: "0.12" }, 'config.json: operator_form: is "0.12"'],
    [
      { operator_form: "tptt-0.12", pooling_config: { offsets: [0, 1] } },
      'config.json: pooling_config: is {"offsets":[0,1]}; expected { lookahead: true }, or',
    ],
    [
      { pooling_config: { lookahead: true } },
      'config.json: pooling_config: is {"lookahead":true}; expected no lookahead',
    ],
    [{ linear_precision: "bfloat16" }, 'config.json: linear_precision: is "bfloat16"; expected float32'],
    [{ use_linear_checkpoint: "yes" }, 'config.json: use_linear_checkpoint: is "yes"'],
    [{ padding_side: "middle" }, 'config.json: padding_side: is "middle"'],
    [{ lora_config: { r: 0 } }, "config.json: lora_config.r: is 0"],
    [{ lora_config: { lora_dropout: 1 } }, "config.json: lora_config.lora_dropout: is 1"],
    [{ lora_config: { bias: "all" } }, 'config.json: lora_config.bias: is "all"; expected none'],
    [{ lora_config: { target_modules: [] } }, "config.json: lora_config.target_modules: is []"],
  ])("%j is refused with the field's name", (fields, message) => {
    const parse = () => TpttConfig.parse(fields, "config.json");
    expect(parse).toThrow(message);
    expect(parse).toThrow(InputError);
  });

  test.each([
    {},
    {
      operatorMode: "gated_delta_product",
      loraConfig: { r: 4, loraDropout: 0.1, targetModules: ["q_proj"] },
    },
    { order: 3, alphaGate: "kv", betaGate: "v", linear: false, trick: "rot", maxChunkSize: 32 },
    { maxSelfAttnLength: 12, baseScaleAttn: true, magWeight: 0.25, crossGate: true, bidirectional: true },
    { operatorForm: "tptt-0.12", poolingConfig: { lookahead: true }, useLinearCheckpoint: true },
    {
      paddingSide: "left",
      disableLinearAttn: true,
      targetModulesNames: ["self_attn"],
      baseModelName: "base",
    },
  ] as TpttConfigOptions[])("%j is the same after it was written and read", (options) => {
    const config = TpttConfig.from(options);
    const { fields, ...again } = TpttConfig.parse(
      JSON.parse(JSON.stringify(config.toJson(base))),
      "config.json",
    );
    const { fields: given, ...before } = config;
    expect(fields).toMatchObject(given);
    expect(again).toEqual({ ...before, targetModulesNames: [...config.targetModulesNames] });
  });

  test("on disk it lies over the base model's config, under Python's names", () => {
    expect(TpttConfig.from({ operatorMode: "delta_rule" }).toJson(base)).toMatchObject({
      hidden_size: 32,
      model_type: "tptt",
      base_model_type: "llama",
      architectures: ["TpttModel"],
      operator_mode: "delta_rule",
      operator_form: "exact",
      recurrent_config: { order: 1, alpha_gate: "c", beta_gate: "k", linear: true, trick: "dt" },
      lora_config: null,
    });
  });

  test("fields that it does not know are written back, those of the adapter too", () => {
    const fields = {
      operator_form: "exact",
      pooling_config: null,
      linear_precision: "float32",
      somebody: { else: [1, "x"] },
      lora_config: { r: 4, peft_type: "LORA", modules_to_save: null, revision: "main" },
    };
    const json = TpttConfig.parse(fields, "config.json").toJson(base);
    expect(json).toMatchObject({
      pooling_config: null,
      linear_precision: "float32",
      somebody: { else: [1, "x"] },
    });
    expect(json.lora_config).toMatchObject({ r: 4, lora_alpha: 8, modules_to_save: null, revision: "main" });
  });
});

test("an option that is undefined is not given", () => {
  const saved = TpttConfig.from({ operatorMode: "delta_product", magWeight: 0.2, loraConfig: { r: 4 } });
  // As callers do whose compiler lets undefined pass for an absent option.
  const options = {
    operatorMode: undefined,
    order: undefined,
    magWeight: undefined,
    loraConfig: { r: undefined },
  };
  expect(saved.with(options as object).toJson({})).toEqual(saved.toJson({}));
});

test("the base model may lie in a subfolder, and Python may look for the titan elsewhere", () => {
  const config = TpttConfig.from({ baseModelName: "a/b", baseModelSubfolder: "c", nameOrPath: "me/titan" });
  expect(config.baseModelPath).toBe("a/b/c");
  expect(TpttConfig.from({ baseModelName: "a/b" }).baseModelPath).toBe("a/b");
  expect(config.nameOrPath).toBe("me/titan");
  expect(config.toJson(base)).toMatchObject({ base_model_subfolder: "c", name_or_path: "me/titan" });
});

test("its variant's name says how it is made", () => {
  const config = TpttConfig.from({ operatorMode: "delta_product_r", crossGate: true, bidirectional: true });
  expect(config.modelVariant).toMatch(
    /^liza_full_cross_bidir_alpha-c_beta-k_order-2_linear_trick-rot_\d{4}-\d\d-\d\d$/,
  );
});

describe("with", () => {
  const config = TpttConfig.parse(
    { operator_mode: "delta_product", mag_weight: 0.2, lora_config: { r: 4, lora_alpha: 32 }, kept: 1 },
    "config.json",
  );

  test("changes what is named and nothing else", () => {
    expect(config.with({ magWeight: 0.7 })).toMatchObject({ magWeight: 0.7, operatorMode: "delta_product" });
    expect(config.with({ magWeight: 0.7 }).fields.kept).toBe(1);
    expect(config.magWeight).toBe(0.2);
  });

  test("changes single fields of the adapter", () => {
    expect(config.with({ loraConfig: { loraDropout: 0.1 } }).loraConfig).toMatchObject({
      r: 4,
      loraAlpha: 32,
      loraDropout: 0.1,
    });
  });

  test("changes single fields of the operator, which then has no name", () => {
    const changed = config.with({ trick: "rot" });
    expect(changed.operatorMode).toBeUndefined();
    expect(changed.recurrentConfig).toEqual({ ...config.recurrentConfig, trick: "rot" });
    expect(changed.with({ operatorMode: "delta_rule" }).recurrentConfig.order).toBe(1);
  });
});
