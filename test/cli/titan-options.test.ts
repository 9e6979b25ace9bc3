import { expect, test } from "vitest";
import { toTpttOptions } from "../../src/cli/titan-options.js";
import { TpttConfig } from "../../src/tptt/config/config.js";

test("a base model gets the command's defaults", () => {
  expect(toTpttOptions({}, undefined)).toEqual({
    operatorMode: "delta_rule",
    operatorForm: "exact",
    maxChunkSize: 64,
    baseScaleAttn: false,
    crossGate: false,
    magWeight: 0.5,
    magMode: "constant",
    disableLinearAttn: false,
    loraConfig: { r: 8, loraAlpha: 16, loraDropout: 0 },
  });
});

test("what is given goes before the defaults", () => {
  const given = {
    operator_mode: "delta_product",
    lora_r: 4,
    lora_target_modules: ["q_proj"],
    mag_weight: 1,
  } as const;
  expect(toTpttOptions({ ...given, lora_target_modules: ["q_proj"] }, undefined)).toMatchObject({
    operatorMode: "delta_product",
    magWeight: 1,
    loraConfig: { r: 4, loraAlpha: 16, targetModules: ["q_proj"] },
  });
});

test("an operator is given by name or by its parts", () => {
  const config = TpttConfig.from(toTpttOptions({ order: 3, trick: "rot", alpha_gate: "kv" }, undefined));
  expect(config.recurrentConfig).toEqual({
    order: 3,
    alphaGate: "kv",
    betaGate: "k",
    linear: true,
    trick: "rot",
  });
  expect(() => toTpttOptions({ operator_mode: "delta_rule", order: 2 }, undefined)).toThrow(
    "--order: is given beside --operator-mode delta_rule, which sets it; leave one of them out",
  );
});

test.each([
  [
    { disable_linear_attn: true, operator_mode: "delta_rule" },
    "--operator-mode: is given beside --disable-linear-attn",
  ],
  [{ disable_linear_attn: true, mag_mode: "dynamic" }, "--mag-mode: is given beside --disable-linear-attn"],
  [{ mag_mode: "dynamic", mag_weight: 0.3 }, "--mag-weight: is given beside --mag-mode dynamic"],
  [{ lora_r: 0, lora_target_modules: ["q_proj"] }, "--lora-target-modules: is given beside --lora-r 0"],
] as const)("%j is refused: one option leaves the other without effect", (given, message) => {
  expect(() => toTpttOptions(given as Parameters<typeof toTpttOptions>[0], undefined)).toThrow(message);
});

test("a titan may compute as Python does", () => {
  const config = TpttConfig.from(toTpttOptions({ operator_form: "tptt-0.12" }, undefined));
  expect(config.operatorForm).toBe("tptt-0.12");
  expect(config.with(toTpttOptions({}, config)).operatorForm).toBe("tptt-0.12");
});

test("a saved titan stays as it is but for what is given", () => {
  const saved = TpttConfig.from({
    operatorMode: "delta_product",
    magWeight: 0.2,
    loraConfig: { r: 4, loraAlpha: 4 },
  });
  expect(saved.with(toTpttOptions({}, saved)).toJson({})).toEqual(saved.toJson({}));
  const changed = saved.with(toTpttOptions({ lora_dropout: 0.1, cross_gate: true }, saved));
  expect(changed).toMatchObject({
    operatorMode: "delta_product",
    magWeight: 0.2,
    crossGate: true,
    loraConfig: { r: 4, loraAlpha: 4, loraDropout: 0.1 },
  });
});

test("without LoRA the named parameters are trained, by default the attention projections as in Python", () => {
  expect(toTpttOptions({ lora_r: 0, trainable: ["mlp"] }, undefined).trainableParameters).toEqual(["mlp"]);
  const options = toTpttOptions({ lora_r: 0 }, undefined);
  expect(options.trainableParameters).toContain("q_proj");
  expect(options).not.toHaveProperty("loraConfig");
  expect(() => toTpttOptions({ trainable: ["mlp"] }, undefined)).toThrow(
    "--trainable: is given beside LoRA; turn that off with --lora-r 0",
  );
  const saved = TpttConfig.from({ loraConfig: { r: 4 } });
  expect(() => toTpttOptions({ lora_r: 0 }, saved)).toThrow(
    "--lora-r: is 0, but the model was saved with LoRA",
  );
});

test("all-linear is one word for all layers, not a layer's name", () => {
  const options = toTpttOptions({ lora_target_modules: ["all-linear"] }, undefined);
  expect(options.loraConfig).toMatchObject({ targetModules: "all-linear" });
});
