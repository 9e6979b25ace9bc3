import { expect, test } from "vitest";
import type { Tensor } from "../../src/engine/index.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import type { GgufField } from "../io/gguf-bytes.js";
import { openFixture } from "./fixture.js";
import { writeGguf } from "./gguf-fixture.js";
import { llamaName } from "./gguf-names.js";

const fields: Record<string, GgufField> = {
  context_length: ["u32", 128],
  embedding_length: ["u32", 32],
  block_count: ["u32", 2],
  feed_forward_length: ["u32", 48],
  "attention.head_count": ["u32", 4],
  "attention.head_count_kv": ["u32", 2],
  "attention.layer_norm_rms_epsilon": ["f32", 1e-6],
  "rope.freq_base": ["f32", 1e6],
  "tokenizer.ggml.eos_token_id": ["u32", 2],
};

async function fixtureAsGguf(name: string, more: Record<string, GgufField> = {}) {
  const { checkpoint, frozen } = await openFixture(name);
  const tensors = new Map<string, Tensor>();
  for (const [path] of checkpoint.model.namedParameters())
    tensors.set(llamaName(path), await frozen.read(path));
  return { checkpoint, frozen, path: await writeGguf(name, { ...fields, ...more }, tensors) };
}

test.each([
  ["qwen2", {}],
  ["qwen3", { "attention.key_length": ["u32", 12] }],
] as [string, Record<string, GgufField>][])("%s comes back from llama.cpp's names", async (name, more) => {
  const { checkpoint, frozen, path } = await fixtureAsGguf(name, more);
  const gguf = await openCheckpoint(path);
  const loaded = await gguf.load();
  for (const [parameter] of checkpoint.model.namedParameters()) {
    expect([...(await loaded.read(parameter)).f32], parameter).toEqual([
      ...(await frozen.read(parameter)).f32,
    ]);
  }
  expect(gguf.eosTokenIds).toEqual([2]);
  expect(gguf.model.config).toEqual({
    ...checkpoint.model.config,
    slidingWindow: 4096, // Unused; the fixture's config.json has null there.
  });
  for (const weights of [frozen, loaded]) await weights.dispose();
  await gguf.close();
});

test("positions stretched by a rule that is not known are refused", async () => {
  const { frozen, path } = await fixtureAsGguf("qwen2", {
    "rope.scaling.type": ["string", "yarn"],
    "rope.scaling.factor": ["f32", 4],
  });
  await frozen.dispose();
  await expect(openCheckpoint(path)).rejects.toThrow("expected the rope type default, linear or llama3");
});
