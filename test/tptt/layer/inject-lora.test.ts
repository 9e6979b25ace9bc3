import { describe, expect, test } from "vitest";
import { parseWith } from "../../../src/io/validate.js";
import { llama } from "../../../src/models/llama.js";
import { nameParameters } from "../../../src/nn/module.js";
import { TpttConfig } from "../../../src/tptt/config/config.js";
import { loraSchema } from "../../../src/tptt/config/lora-config.js";
import { getTpttModel } from "../../../src/tptt/layer/inject.js";
import { injectLora } from "../../../src/tptt/layer/inject-lora.js";

function tiny({ tied = false, titan = false } = {}) {
  const model = llama.build(
    {
      model_type: "llama",
      vocab_size: 8,
      hidden_size: 16,
      intermediate_size: 8,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      tie_word_embeddings: tied,
    },
    "config.json",
  );
  nameParameters(model);
  if (titan) getTpttModel(model, TpttConfig.from({ operatorMode: "delta_rule" }));
  return model;
}

/** The paths of the layers with an update, by what a PEFT config says. */
function adapted(fields: object, model = tiny()) {
  const { layers, targetModules } = injectLora(model, parseWith(loraSchema, { r: 2, ...fields }, "lora"));
  const paths = [...model.namedModules()].filter(([, module]) => layers.some((layer) => layer === module));
  return { paths: paths.map(([path]) => path.replace(/^model\.layers\./, "")), targetModules, layers };
}

describe("targets", () => {
  test("are the attention projections by default", () => {
    const { paths, targetModules, layers } = adapted({ lora_alpha: 4 });
    expect(paths).toHaveLength(8);
    expect(targetModules).toEqual(["q_proj", "k_proj", "v_proj", "o_proj"]);
    expect(layers[0]).toMatchObject({ scaling: 2, lora_A: { weight: { shape: [2, 16], trainable: true } } });
  });

  test("are found by the whole names at the end of their path", () => {
    const target_modules = ["layers.1.mlp.up_proj", "lm_head"];
    expect(adapted({ target_modules })).toMatchObject({
      paths: ["1.mlp.up_proj", "lm_head"],
      targetModules: target_modules,
    });
    expect(() => adapted({ target_modules: ["q_proj", "proj"] })).toThrow(
      "lora_target_modules: names proj, which no linear layer of this model is called; it has q_proj, k_proj",
    );
  });

  test("may be a pattern of the whole path", () => {
    expect(adapted({ target_modules: ".*\\.1\\..*(?P<which>q|v)_proj" }).paths).toEqual([
      "1.self_attn.q_proj",
      "1.self_attn.v_proj",
    ]);
    expect(() => adapted({ target_modules: "q_proj" })).toThrow("lora_target_modules: names nothing");
  });

  test("a pattern that would take for ever is given up and refused", () => {
    const endless = "([\\w.]+)+!";
    for (const fields of [
      { target_modules: endless },
      { target_modules: ["q_proj"], exclude_modules: endless },
      { target_modules: ["q_proj"], rank_pattern: { [endless]: 2 } },
    ]) {
      expect(() => adapted(fields)).toThrow(
        "lora_config: has a pattern that takes too long to match, as (a+)+$ does; write it without",
      );
    }
  });

  test("all-linear means all but the output embedding", () => {
    const { paths, targetModules } = adapted({ target_modules: "all-linear" });
    expect(paths).toHaveLength(14);
    expect(paths).not.toContain("lm_head");
    expect(targetModules).toBe("all-linear");
  });

  test.each([
    [{ layers_to_transform: 1 }, ["1.self_attn.q_proj"]],
    [{ layers_to_transform: [0, 5], layers_pattern: "layers" }, ["0.self_attn.q_proj"]],
    [{ exclude_modules: ["0.self_attn.q_proj"] }, ["1.self_attn.q_proj"]],
    [{ exclude_modules: ".*\\.1\\..*" }, ["0.self_attn.q_proj"]],
    [{ modules_to_save: ["layers.0"] }, ["1.self_attn.q_proj"]],
  ])("are fewer with %j", (fields, expected) => {
    expect(adapted({ target_modules: ["q_proj"], ...fields }).paths).toEqual(expected);
  });

  test("have the scale that PEFT gives them", () => {
    const scales = (fields: object) =>
      adapted({ r: 4, lora_alpha: 8, target_modules: ["q_proj"], ...fields }).layers.map(
        ({ scaling }) => scaling,
      );
    expect(scales({})).toEqual([2, 2]);
    expect(scales({ use_rslora: true })).toEqual([4, 4]);
    expect(scales({ rank_pattern: { "1.self_attn.q_proj": 2 } })).toEqual([2, 4]);
    expect(scales({ alpha_pattern: { "layers\\.0\\..*": 2 } })).toEqual([0.5, 2]);
  });
});

describe("in a titan", () => {
  const inside = "1.self_attn.base_attn.q_proj";

  test("the base model's paths mean the layers, for plain adapters are made for those", () => {
    for (const target_modules of [["1.self_attn.q_proj"], "model\\.layers\\.1\\.self_attn\\.q_proj"]) {
      const { paths, targetModules } = adapted({ target_modules }, tiny({ titan: true }));
      expect(paths).toEqual([inside]);
      // Python, which wraps first, looks for the layers by their paths in the titan.
      expect(targetModules).toEqual([`model.layers.${inside}`]);
    }
  });

  test("so do the paths in the titan, which Python's configs have", () => {
    const target_modules = ".*1\\.self_attn\\.base_attn\\.q_proj";
    expect(adapted({ target_modules }, tiny({ titan: true }))).toMatchObject({
      paths: [inside],
      targetModules: target_modules,
    });
    const layers = { target_modules: ["q_proj"], layers_to_transform: [1], layers_pattern: ["layers"] };
    expect(adapted(layers, tiny({ titan: true })).paths).toEqual([inside]);
  });
});

describe("modules that are saved whole", () => {
  const trainable = (fields: object, model = tiny()) => {
    adapted({ target_modules: ["q_proj"], ...fields }, model);
    const lora = /lora_[AB]/;
    return [...model.namedParameters()]
      .filter(([path, p]) => p.trainable && !lora.test(path))
      .map(([path]) => path);
  };

  test("train with all of their parameters, found by the end of their path as in PEFT", () => {
    for (const { trainable: isTrainable } of [...tiny().namedParameters()].map(([, p]) => p))
      expect(isTrainable).toBe(false);
    expect(trainable({ modules_to_save: ["head", "model.norm"] })).toEqual([
      "model.norm.weight",
      "lm_head.weight",
    ]);
    expect(trainable({ modules_to_save: ["1.mlp"] })).toEqual(
      ["gate", "up", "down"].map((name) => `model.layers.1.mlp.${name}_proj.weight`),
    );
  });

  test("must exist, and must not be one end of tied embeddings", () => {
    expect(() => trainable({ modules_to_save: ["score"] })).toThrow(
      "modules_to_save: names score, which is no module; there are model, embed_tokens, input_layernorm, self_attn, q_proj, k_proj",
    );
    for (const name of ["lm_head", "embed_tokens"]) {
      expect(() => trainable({ modules_to_save: [name] }, tiny({ tied: true }))).toThrow(
        `modules_to_save: names ${name}, but the output embedding of this model is its input embedding`,
      );
    }
  });
});
