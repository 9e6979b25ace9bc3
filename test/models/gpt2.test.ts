import { describe, expect, test } from "vitest";
import { compile } from "../../src/engine/index.js";
import { gpt2 } from "../../src/models/gpt2.js";
import { ForwardContext } from "../../src/nn/forward-context.js";
import { describeParity } from "./parity.js";

for (const name of ["gpt2", "gpt2-scaled"]) describeParity(name);

const small = { model_type: "gpt2", vocab_size: 8, n_positions: 4, n_embd: 16, n_layer: 1, n_head: 4 };
const build = (fields: object) => gpt2.build({ ...small, ...fields }, "config.json");

describe("the config", () => {
  test("what it leaves out is as in the first GPT-2", () => {
    expect(gpt2.build({ model_type: "gpt2" }, "config.json").config).toEqual({
      modelType: "gpt2",
      vocabSize: 50_257,
      maxPositionEmbeddings: 1024,
      hiddenSize: 768,
      intermediateSize: 3072,
      numHiddenLayers: 12,
      numAttentionHeads: 12,
      activationFunction: "gelu_new",
      layerNormEpsilon: 1e-5,
      scaleAttnWeights: true,
      scaleAttnByInverseLayerIdx: false,
      tieWordEmbeddings: true,
    });
  });

  test.each([
    [{ n_embd: "16" }, 'config.json: n_embd: is "16"'],
    [{ n_head: 3 }, "config.json: n_head: is 3, expected a divisor of n_embd (16)"],
    [
      { activation_function: "mish" },
      'config.json: activation_function: is "mish"; expected one of gelu, gelu_new',
    ],
    [{ add_cross_attention: true }, "config.json: add_cross_attention: is true; expected false"],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(message);
  });
});

test("a sequence longer than the table of positions is refused", async () => {
  const model = build({});
  const read = (length: number) =>
    compile(({ ids }) => model.forward(ids, new ForwardContext({ batch: 1, length })), {
      inputs: { ids: { dtype: "int64", shape: [1, length] } },
    });
  await expect(read(5)).rejects.toThrow(
    "input_ids: has 5 tokens, expected at most 4, the positions that this model knows",
  );
});
