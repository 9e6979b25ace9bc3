import { describe, expect, test } from "vitest";
import { mistral } from "../../src/models/mistral.js";
import { describeParity } from "./parity.js";

describeParity("mistral");

const small = {
  model_type: "mistral",
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 8,
};
const build = (fields: object) => mistral.build({ ...small, ...fields }, "config.json");

describe("the config", () => {
  test.each([
    ["4096 tokens by default", {}, 4096],
    ["so many as the config says", { sliding_window: 6 }, 6],
    ["everything, where there is no window", { sliding_window: null }, Number.POSITIVE_INFINITY],
  ])("a token sees %s", (_, fields, window) => {
    for (const [, layer] of build(fields).attentions()) expect(layer.window).toBe(window);
  });

  test.each([
    ["8 by default", {}, 8],
    ["as many as q heads, where it is null", { num_attention_heads: 4, num_key_value_heads: null }, 4],
  ])("key heads: %s", (_, fields, heads) => {
    expect(build(fields).config).toMatchObject({ numKeyValueHeads: heads });
  });

  test.each([
    [{ sliding_window: 0 }, "config.json: sliding_window: is 0"],
    [{ hidden_act: "relu" }, 'config.json: hidden_act: is "relu"; expected silu'],
    [{ num_attention_heads: 12, head_dim: 4 }, "config.json: num_key_value_heads: is 8, expected a divisor"],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(message);
  });
});
