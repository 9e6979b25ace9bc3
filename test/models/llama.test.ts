import { describe, expect, test } from "vitest";
import { llama } from "../../src/models/llama.js";
import { describeParity } from "./parity.js";

for (const name of ["llama-gqa", "llama-mha", "llama-tied-llama3"]) describeParity(name);

const small = {
  model_type: "llama",
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};
const build = (fields: object) => llama.build({ ...small, ...fields }, "config.json");

describe("the config", () => {
  test("the rope fields of transformers 5 mean the same as those of 4", () => {
    const scaling = { rope_type: "linear", factor: 2 };
    const older = build({ rope_theta: 5e5, rope_scaling: scaling });
    const newer = build({ rope_parameters: { rope_theta: 5e5, ...scaling } });
    expect(newer.config).toEqual(older.config);
    expect(newer.config).toMatchObject({ ropeTheta: 5e5, ropeScaling: { type: "linear", factor: 2 } });
  });

  test.each([
    [{ hidden_size: undefined }, "config.json: hidden_size: is missing"],
    [{ num_hidden_layers: 1e9 }, "config.json: num_hidden_layers: is 1000000000; expected at most 1024"],
    [{ hidden_act: "relu" }, 'config.json: hidden_act: is "relu"; expected silu'],
    [{ num_key_value_heads: 3 }, "config.json: num_key_value_heads: is 3, expected a divisor of"],
    [{ head_dim: 5 }, "config.json: head_dim: is 5, expected an even number"],
    [{ rope_scaling: { type: "yarn", factor: 2 } }, "expected the rope type default, linear or llama3"],
    [{ rope_scaling: { type: "llama3", factor: 2 } }, "expected low_freq_factor for the rope type llama3"],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(message);
  });

  test("sizes that no weights have are not believed before these are looked at", () => {
    const start = performance.now();
    build({ hidden_size: 2 ** 40, head_dim: 2 ** 40, vocab_size: 2 ** 40, max_position_embeddings: 2 ** 40 });
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
