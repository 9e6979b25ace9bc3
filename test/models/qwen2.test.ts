import { describe, expect, test } from "vitest";
import { qwen2 } from "../../src/models/qwen2.js";
import { describeParity } from "./parity.js";

for (const name of ["qwen2", "qwen2-window"]) describeParity(name);

const small = {
  model_type: "qwen2",
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 8,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};
const build = (fields: object) => qwen2.build({ ...small, ...fields }, "config.json");

describe("the config", () => {
  const all = Number.POSITIVE_INFINITY;
  const window = { use_sliding_window: true, sliding_window: 6 };
  const mixed = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"];

  test.each([
    ["a window that is not used is none", { sliding_window: 6, max_window_layers: 0 }, [all, all, all, all]],
    ["the lower layers see everything", { ...window, max_window_layers: 3 }, [all, all, all, 6]],
    ["which is all of a small model's layers", window, [all, all, all, all]],
    [
      "a list of layer types goes first",
      { ...window, max_window_layers: 0, layer_types: mixed },
      [all, 6, 6, all],
    ],
    [
      "a window of no length is none",
      { use_sliding_window: true, sliding_window: null, max_window_layers: 0 },
      [all, all, all, all],
    ],
  ])("%s", (_, fields, windows) => {
    expect(
      build(fields)
        .attentions()
        .map(([, layer]) => layer.window),
    ).toEqual(windows);
  });

  test("only q, k and v have a bias", () => {
    const biases = [...build({ num_hidden_layers: 1 }).namedParameters()]
      .map(([name]) => name)
      .filter((name) => name.endsWith(".bias"));
    expect(biases).toEqual(["q", "k", "v"].map((kind) => `model.layers.0.self_attn.${kind}_proj.bias`));
  });

  test.each([
    [{ hidden_act: "gelu" }, 'config.json: hidden_act: is "gelu"; expected silu'],
    [
      { layer_types: mixed.slice(1) },
      "config.json: layer_types: lists 3 layers, expected num_hidden_layers (4)",
    ],
    [
      { layer_types: mixed },
      "config.json: layer_types: lists sliding_attention, expected use_sliding_window and a sliding_window",
    ],
    [{ rope_scaling: { type: "yarn", factor: 4 } }, "expected the rope type default, linear or llama3"],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(message);
  });
});
