import { expect, test } from "vitest";
import { Embedding, Linear } from "../../../src/nn/layers.js";
import { Module } from "../../../src/nn/module.js";
import { extractLayerIdx, findEmbeddingLm } from "../../../src/tptt/layer/module-names.js";
import { openTitan } from "../titan.js";

test.each([
  ["model.layers.3.self_attn", 3],
  ["transformer.h.12.attn.c_attn", 12],
  ["layers.7", -1],
  ["model.norm", -1],
  ["model.layers1.mlp", -1],
])("the layer of %s is %i", (name, index) => {
  expect(extractLayerIdx(name)).toBe(index);
});

test("the input embedding is found by its name, whatever is around it", async () => {
  const { base } = await openTitan("llama-gqa");
  const embedding = findEmbeddingLm(base)!;
  expect(embedding.weight.name).toBe("model.embed_tokens.weight");
  for (const name of ["token_embeddings", "wte", "word_embeddings"]) {
    const model = new (class extends Module {
      readonly position_embeddings = new Embedding(4, 2);
      readonly inner = Object.assign(new (class extends Module {})(), { [name]: new Embedding(3, 2) });
    })();
    expect(findEmbeddingLm(model)).toBe((model.inner as unknown as Record<string, Embedding>)[name]);
  }
});

test("a model without one has none", () => {
  expect(findEmbeddingLm(new Linear(2, 2))).toBeUndefined();
});
