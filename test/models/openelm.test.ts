import { describe, expect, test } from "vitest";
import { openelm } from "../../src/models/openelm.js";
import { describeParity } from "./parity.js";

for (const name of ["openelm", "openelm-mha"]) describeParity(name);

const small = { model_type: "openelm", model_dim: 32, head_dim: 8, num_transformer_layers: 3 };
const build = (fields: object) => openelm.build({ ...small, ...fields }, "config.json");

describe("the config", () => {
  /** Of apple/OpenELM-1_1B. */
  const apple = {
    model_type: "openelm",
    model_dim: 2048,
    head_dim: 64,
    num_transformer_layers: 28,
    num_gqa_groups: 4,
    qkv_multipliers: [0.5, 1.0],
    normalize_qk_projections: true,
    share_input_output_layers: true,
  };
  const heads = [16, 16, 16, ...Array<number>(7).fill(20), ...Array<number>(8).fill(24)];
  const lists = {
    num_query_heads: [...heads, ...Array<number>(6).fill(28), 32, 32, 32, 32],
    num_kv_heads: [...heads.map((n) => n / 4), ...Array<number>(6).fill(7), 8, 8, 8, 8],
    ffn_multipliers: [
      0.5, 0.63, 0.76, 0.89, 1.02, 1.15, 1.28, 1.41, 1.54, 1.67, 1.8, 1.93, 2.06, 2.19, 2.31, 2.44, 2.57, 2.7,
      2.83, 2.96, 3.09, 3.22, 3.35, 3.48, 3.61, 3.74, 3.87, 4.0,
    ],
  };

  test("the multipliers of OpenELM-1.1B give the lists that its config.json has", () => {
    const listed = openelm.build({ ...apple, ...lists }, "config.json").config;
    const derived = openelm.build({ ...apple, ffn_multipliers: [0.5, 4.0] }, "config.json").config;
    expect(derived).toEqual(listed);
    expect(listed.layers[1]).toEqual({ queryHeads: 16, keyValueHeads: 4, intermediateSize: 1280 });
  });

  test("one number is for every layer", () => {
    const { layers } = build({ qkv_multipliers: 0.5, ffn_multipliers: 0.36, ffn_dim_divisor: 8 }).config;
    // 11.52 is not rounded to 8: that is more than a tenth below.
    expect(layers).toEqual(Array(3).fill({ queryHeads: 2, keyValueHeads: 2, intermediateSize: 16 }));
  });

  test.each([
    [0.115, 0.135, 0.12],
    [0.365, 0.385, 0.38],
  ])("halfway between %f and %f is rounded to %f, the even hundredth, as Python does", (first, last, to) => {
    const width = { ffn_dim_divisor: 1, model_dim: 3200, head_dim: 32 };
    const { layers } = build({ ...width, ffn_multipliers: [first, last] }).config;
    expect(layers[1]!.intermediateSize).toBe(to * 3200);
  });

  test.each([
    [{ head_dim: 7 }, "config.json: head_dim: is 7; expected an even number"],
    [{ ffn_with_glu: false }, "config.json: ffn_with_glu: is false; expected true"],
    [{ activation_fn_name: "gelu" }, 'config.json: activation_fn_name: is "gelu"; expected swish'],
    [
      { num_query_heads: [2, 4] },
      "config.json: num_query_heads: lists 2 layers, expected num_transformer_layers (3)",
    ],
    [{ num_query_heads: [4, 4, 4], num_kv_heads: [4, 2] }, "config.json: num_kv_heads: lists 2 layers"],
    [{ ffn_multipliers: [1, 2, 3, 4] }, "config.json: ffn_multipliers: lists 4 layers"],
    [
      { num_query_heads: [4, 4, 4], num_kv_heads: [4, 3, 2] },
      "config.json: num_kv_heads.1: is 3, expected a divisor of num_query_heads.1 (4)",
    ],
  ])("%j is refused with the field's name", (fields, message) => {
    expect(() => build(fields)).toThrow(message);
  });
});
