import { join } from "node:path";
import { expect, test } from "vitest";
import { openSafetensorsFile } from "../../../src/io/safetensors.js";
import { fixtureFolder } from "../../models/fixture.js";
import { openWorkspace, tptt } from "../workspace.js";

test("a base model is told part by part", async () => {
  const model = fixtureFolder("gemma3");
  const file = await openSafetensorsFile(join(model, "model.safetensors"));
  const sizes = [...file.tensors.values()].map(({ byteLength }) => byteLength);
  await file.close();
  const bytes = sizes.reduce((a, b) => a + b);
  const { code, stderr, events } = await tptt([
    "inspect",
    "--model",
    model,
    "--lora-target-modules",
    "q_proj",
    "--json",
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(events()).toMatchObject([
    {
      event: "done",
      model,
      kind: "base model",
      family: "gemma3_text",
      parameters: bytes / 4,
      layers: 4,
      hidden_size: 32,
      heads: 4,
      key_value_heads: 1,
      head_dim: 12,
      vocabulary: 96,
      positions: 128,
      stored: { F32: { tensors: sizes.length, bytes } },
      operator: { mode: "delta_rule", order: 1, alpha_gate: "c", beta_gate: "k", linear: true, trick: "dt" },
      wrapped: [
        { name: "model.layers.0.self_attn", window: 8 },
        { name: "model.layers.1.self_attn", window: 8 },
        { name: "model.layers.2.self_attn", window: null },
        { name: "model.layers.3.self_attn", window: 8 },
      ],
      trainable: { parameters: 4 * 8 * (32 + 48), tensors: 8, lora_r: 8, lora_alpha: 16 },
      memory: {
        weights: bytes,
        states: [
          { tokens: 1024, mixed: null, memory_only: 2688 },
          { tokens: 32_768, mixed: null, memory_only: 2688 },
        ],
        training_step: { batch_size: 4, max_length: 128 },
      },
    },
  ]);
});

test.each([
  ["bert", 24],
  ["vit", 17],
])("%s, which predicts no tokens, has no decoder and no training step", async (name, positions) => {
  const args = ["inspect", "--model", fixtureFolder(name)];
  const { code, stderr, events } = await tptt([...args, "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [done] = events();
  expect(done).toMatchObject({
    family: name,
    heads: 4,
    positions,
    memory: { states: [], training_step: null },
  });
  expect((done as { wrapped: unknown[] }).wrapped[0]).toEqual({
    name: "encoder.layer.0.attention",
    window: null,
  });
  const table = await tptt(args);
  expect(table.stdout).toContain("for the weights as f32");
  expect(table.stdout).not.toContain("training");
});

test("training needs more for more tokens, and less with gradient checkpointing", async () => {
  const step = async (...options: string[]) => {
    const [done] = (
      await tptt(["inspect", "--model", fixtureFolder("gemma3"), "--json", ...options])
    ).events();
    return (done as { memory: { training_step: { bytes: number } } }).memory.training_step.bytes;
  };
  const usual = await step();
  expect(await step("--batch-size", "8")).toBeGreaterThan(1.8 * usual);
  expect(await step("--gradient-checkpointing")).toBeLessThan(0.7 * usual);
});

test("a table is for a person, and no weights are read for it", async () => {
  const { model } = await openWorkspace();
  const { code, stdout, stderr } = await tptt([
    "inspect",
    "--model",
    model,
    "--order",
    "2",
    "--trick",
    "rot",
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.replace(model, "M").split("\n").slice(0, -2)).toEqual([
    "model      M (base model, llama)",
    "           26,272 parameters, 2 layers of 32, vocabulary 96, positions 128",
    "           attention: 4 heads of 12, 2 of keys and values",
    "stored     F32 105 kB in 21 tensors",
    "memories   custom: order 2, alpha gate c, beta gate k, trick rot, linear",
    "           model.layers.0.self_attn, global",
    "           model.layers.1.self_attn, global",
    "trainable  4,352 parameters (17 %), LoRA r 8, alpha 16",
    "needed     105 kB for the weights as f32",
    "           2.69 kB at mu = 1, for the state after 1,024 tokens",
    "           2.69 kB at mu = 1, for the state after 32,768 tokens",
  ]);
});
