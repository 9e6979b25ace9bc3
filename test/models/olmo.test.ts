import { describe, expect, test } from "vitest";
import { olmo } from "../../src/models/olmo.js";
import { describeParity } from "./parity.js";

for (const name of ["olmo", "olmo-mha"]) describeParity(name);

const small = {
  model_type: "olmo",
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 4,
};
const build = (fields: object) => olmo.build({ ...small, ...fields }, "config.json");

describe("the config", () => {
  test("norms have no weights", () => {
    const names = [...build({}).namedParameters()].map(([name]) => name);
    expect(names.filter((name) => name.includes("norm"))).toEqual([]);
  });

  test.each([
    [{ clip_qkv: 0 }, "config.json: clip_qkv: is 0; Too small: expected number"],
    [{ hidden_act: "gelu" }, 'config.json: hidden_act: is "gelu"; expected silu'],
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, "expected the rope type default, linear or llama3"],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(message);
  });
});
