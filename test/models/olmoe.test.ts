import { expect, test } from "vitest";
import { olmoe } from "../../src/models/olmoe.js";
import { describeParity } from "./parity.js";

for (const name of ["olmoe", "olmoe-normalized"]) describeParity(name);

test.each([
  [{ num_experts_per_tok: 5 }, "config.json: num_experts_per_tok: is 5, expected at most num_experts (4)"],
  [{ num_experts: 0 }, "config.json: num_experts: is 0; Too small: expected number"],
  [
    { num_experts: 1024, num_hidden_layers: 1024 },
    "num_experts: is 1024 in each of 1024 layers, expected at most",
  ],
  [{ output_router_logits: true }, "output_router_logits: is true; expected false: the loss of balance"],
])("%j is refused with the field's name", (fields, message) => {
  const small = {
    model_type: "olmoe",
    vocab_size: 8,
    hidden_size: 16,
    intermediate_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_experts: 4,
    num_experts_per_tok: 2,
  };
  expect(() => olmoe.build({ ...small, ...fields }, "config.json")).toThrow(message);
});
