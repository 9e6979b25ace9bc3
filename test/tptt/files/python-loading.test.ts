import { expect, test } from "vitest";
import { autoMapOver, pythonLoading } from "../../../src/tptt/files/python-loading.js";

const dream = { AutoConfig: "configuration_dream.DreamConfig", AutoModel: "modeling_dream.DreamModel" };

test.each([
  [{}, '"org/base"'],
  [{ base_model_revision: "abc", base_model_subfolder: "b" }, '"org/base", revision="abc", subfolder="b"'],
  [{ base_model_subfolder: "b-Q8_0.gguf" }, '"org/base", gguf_file="b-Q8_0.gguf"'],
])("a base model of the hub is loaded as its config says: %j", (config, expected) => {
  expect(pythonLoading(config, "org/base", true, undefined)).toEqual({
    auto_class: "AutoModelForCausalLM",
    base_arguments: expected,
    own_arguments: '"."',
    missing_code: "",
  });
});

test("a base model that is not on the hub is at a path that others have to fill in", () => {
  const config = { base_model_subfolder: "b", base_model_revision: "abc" };
  const { auto_class, base_arguments } = pythonLoading(config, undefined, false, undefined);
  expect([auto_class, base_arguments]).toEqual(["AutoModel", '"path/of/the/base/model"']);
});

test("code of a family that transformers lacks is run, by the class that it has, and named where it is not on the hub", () => {
  const trusted = { auto_class: "AutoModel", own_arguments: '".", trust_remote_code=True' };
  expect(pythonLoading({}, "org/dream", true, dream)).toEqual({
    ...trusted,
    base_arguments: '"org/dream", trust_remote_code=True',
    missing_code: "",
  });
  const missing_code = "configuration_dream.py, modeling_dream.py";
  expect(pythonLoading({}, undefined, true, dream)).toMatchObject({ ...trusted, missing_code });
  const elsewhere = { AutoModel: "org/other--modeling_dream.DreamModel" };
  expect(pythonLoading({}, undefined, true, elsewhere)).toMatchObject({ ...trusted, missing_code: "" });
});

test("code of a base model on the hub is named there", () => {
  const map = { ...dream, AutoTokenizer: ["tokenization_x.X", null], AutoModel: "org/other--a.B" };
  expect(autoMapOver("org/dream", map)).toEqual({
    AutoConfig: "org/dream--configuration_dream.DreamConfig",
    AutoTokenizer: ["org/dream--tokenization_x.X", null],
    AutoModel: "org/other--a.B",
  });
  expect(autoMapOver(undefined, dream)).toBe(dream);
});
