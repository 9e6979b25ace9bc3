import { describe, expect, test } from "vitest";
import type { DecoderLm } from "../../../src/models/decoder-lm.js";
import { llama } from "../../../src/models/llama.js";
import { mistral } from "../../../src/models/mistral.js";
import { nameParameters } from "../../../src/nn/module.js";
import { TpttConfig } from "../../../src/tptt/config/config.js";
import { getTpttModel, setTrainableParameters } from "../../../src/tptt/layer/inject.js";
import { LiZAttention } from "../../../src/tptt/layer/liza-attention.js";
import { LCache } from "../../../src/tptt/memory/lcache.js";

const tinyConfig = {
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 4,
};

function tiny() {
  const model = llama.build({ model_type: "llama", ...tinyConfig }, "config.json");
  nameParameters(model);
  return model;
}
const config = TpttConfig.from({ operatorMode: "delta_rule" });

describe("getTpttModel", () => {
  test("wraps the attention layers of a model, whose parameters keep their names", () => {
    const base = tiny();
    const names = [...base.namedParameters()].map(([, { name }]) => name);
    const linearCache = new LCache();
    const result = getTpttModel(base, { ...config, linearCache });
    expect(result.model).toBe(base);
    expect(result.linearCache).toBe(linearCache);
    expect(base.attentions()).toEqual(
      result.wrapped.map((layer, i) => [`model.layers.${i}.self_attn`, layer]),
    );
    expect(result.wrapped.every((layer) => layer instanceof LiZAttention)).toBe(true);
    expect([...base.namedParameters()].map(([, { name }]) => name).sort()).toEqual(names.sort());
    expect(base.get("model.layers.1.self_attn.base_attn.q_proj")).toBeDefined();
  });

  test("wraps the named layers only; the end of a name will do, as in Python", () => {
    const { wrapped } = getTpttModel(tiny(), { ...config, targetModulesNames: ["layers.1.self_attn"] });
    expect(wrapped.map(({ layerIdx }) => layerIdx)).toEqual([1]);
    expect(getTpttModel(tiny(), { ...config, targetModulesNames: ["attn"] }).wrapped).toHaveLength(2);
    expect(() => getTpttModel(tiny(), { ...config, targetModulesNames: ["mlp"] })).toThrow(
      "target_modules_names: names mlp, but the attention layers are model.layers.0.self_attn, model.layers.1.self_attn",
    );
  });
});

test("a wrapped layer tells whether the base layer's window slides", () => {
  const isSliding = (model: DecoderLm) => getTpttModel(model, config).wrapped.map((layer) => layer.isSliding);
  expect(isSliding(tiny())).toEqual([false, false]);
  expect(
    isSliding(mistral.build({ ...tinyConfig, model_type: "mistral", sliding_window: 4 }, "config.json")),
  ).toEqual([true, true]);
});

test("setTrainableParameters trains what is named, by default the attention projections", () => {
  const model = tiny();
  const trainable = () => [...model.namedParameters()].filter(([, p]) => p.trainable).map(([path]) => path);
  setTrainableParameters(model);
  expect(trainable()).toEqual(
    [0, 1].flatMap((layer) =>
      ["q", "k", "v", "o"].map((p) => `model.layers.${layer}.self_attn.${p}_proj.weight`),
    ),
  );
  setTrainableParameters(model, ["model.norm"]);
  expect(trainable()).toEqual(["model.norm.weight"]);
  setTrainableParameters(model, []);
  expect(trainable()).toEqual([]);
});
