import { describe, expect, test } from "vitest";
import { dream } from "../../src/models/dream.js";
import { describeParity } from "./parity.js";

describeParity("dream");

const small = {
  model_type: "Dream",
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  mask_token_id: 7,
};
const build = (fields: object) => dream.build({ ...small, ...fields }, "config.json");

describe("the config", () => {
  test("a token sees those after it too, and one token stands for what is not yet known", () => {
    const model = build({});
    expect(model.causal).toBe(false);
    expect(model.maskTokenId).toBe(7);
    expect(build({ mask_token_id: undefined, vocab_size: 152_064 }).maskTokenId).toBe(151_666);
  });

  test.each([
    [{ mask_token_id: 8 }, "config.json: mask_token_id: is 8, expected less than 8"],
    [{ mask_token_id: null }, "config.json: mask_token_id: is null"],
    [{ use_sliding_window: true }, "config.json: use_sliding_window: is true, expected false"],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(message);
  });
});
