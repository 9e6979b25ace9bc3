import { expect, test } from "vitest";
import { olmo2 } from "../../src/models/olmo2.js";
import { describeParity } from "./parity.js";

describeParity("olmo2");

test.each([
  [{ intermediate_size: undefined }, "config.json: intermediate_size: is missing"],
  [{ num_key_value_heads: 3 }, "config.json: num_key_value_heads: is 3, expected a divisor of"],
  [{ rms_norm_eps: -1 }, "config.json: rms_norm_eps: is -1; Too small: expected number"],
])("%j is refused with the field's name", (fields, message) => {
  const small = {
    model_type: "olmo2",
    vocab_size: 8,
    hidden_size: 16,
    intermediate_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 4,
  };
  expect(() => olmo2.build({ ...small, ...fields }, "config.json")).toThrow(message);
});
