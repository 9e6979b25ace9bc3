import { describe, expect, test } from "vitest";
import { qwen3 } from "../../src/models/qwen3.js";
import { describeParity } from "./parity.js";

for (const name of ["qwen3", "qwen3-window"]) describeParity(name);

const small = {
  model_type: "qwen3",
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};
const build = (fields: object) => qwen3.build({ ...small, ...fields }, "config.json");

describe("the config", () => {
  test("a head has 128 channels unless the config says otherwise", () => {
    expect(build({}).config).toMatchObject({ headDim: 128 });
    expect(build({ head_dim: 6 }).config).toMatchObject({ headDim: 6 });
  });

  test("a bias is on all projections of the attention, or on none", () => {
    const biases = (fields: object) =>
      [...build({ num_hidden_layers: 1, ...fields }).namedParameters()]
        .map(([name]) => name)
        .filter((name) => name.endsWith(".bias"));
    expect(biases({})).toEqual([]);
    expect(biases({ attention_bias: true })).toHaveLength(4);
  });

  test.each([
    [{ num_key_value_heads: 3 }, "config.json: num_key_value_heads: is 3, expected a divisor of"],
    [{ head_dim: 5 }, "config.json: head_dim: is 5, expected an even number"],
    [{ layer_types: ["full_attention"] }, "config.json: layer_types: lists 1 layers, expected"],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(message);
  });
});
