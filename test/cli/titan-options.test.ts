import { expect, test } from "vitest";
import { toTpttOptions } from "../../src/cli/titan-options.js";
import { TpttConfig } from "../../src/tptt/config.js";

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
