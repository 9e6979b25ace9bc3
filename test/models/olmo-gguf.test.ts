import { expect, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import type { GgufField } from "../io/gguf-bytes.js";
import { openFixture } from "./fixture.js";
import { permuted, writeGguf } from "./gguf-fixture.js";
import { decoderName } from "./gguf-names.js";

const common: Record<string, GgufField> = {
  context_length: ["u32", 128],
  embedding_length: ["u32", 48],
  block_count: ["u32", 2],
  feed_forward_length: ["u32", 56],
  "attention.head_count": ["u32", 4],
  "attention.head_count_kv": ["u32", 2],
  "tokenizer.ggml.eos_token_id": ["u32", 2],
};
const rms: Record<string, GgufField> = { "attention.layer_norm_rms_epsilon": ["f32", 1e-5] };

/** Names as llama.cpp's converter gives them, but for experts. */
const renamed = (name: string): string =>
  decoderName(name)
    .replace("mlp.gate.", "ffn_gate_inp.")
    .replace("post_feedforward_layernorm", "post_ffw_norm");

/** Writes a fixture's tensors and checks that they come back. */
async function comesBack(
  name: string,
  fields: Record<string, GgufField>,
  convert: (tensors: ReadonlyMap<string, Tensor>) => ReadonlyMap<string, Tensor>,
): Promise<void> {
  const { checkpoint, frozen } = await openFixture(name);
  const own = new Map<string, Tensor>();
  for (const [path] of checkpoint.model.namedParameters()) own.set(path, await frozen.read(path));
  const path = await writeGguf(checkpoint.model.config.modelType, { ...common, ...fields }, convert(own));
  const gguf = await openCheckpoint(path);
  const loaded = await gguf.load();
  for (const [parameter, { f32 }] of own)
    expect([...(await loaded.read(parameter)).f32], parameter).toEqual([...f32]);
  expect(gguf.eosTokenIds).toEqual([2]);
  expect(gguf.model.config).toEqual(checkpoint.model.config);
  for (const weights of [frozen, loaded]) await weights.dispose();
  await gguf.close();
}

test("OLMo comes back from llama.cpp's order, which is that of weights alone, and names", () =>
  comesBack(
    "olmo",
    { "attention.layer_norm_epsilon": ["f32", 1e-5], "attention.clamp_kqv": ["f32", 0.75] },
    (own) =>
      new Map(
        [...own].map(([path, tensor]) => [
          renamed(path),
          /[qk]_proj\.weight/.test(path) ? permuted(tensor, 12) : tensor,
        ]),
      ),
  ));

test("OLMo 2 comes back from llama.cpp's names", () =>
  comesBack("olmo2", { ...rms, "rope.freq_base": ["f32", 5000] }, (own) => {
    const name = (path: string) => renamed(path).replace("post_attention_layernorm", "post_attention_norm");
    return new Map([...own].map(([path, tensor]) => [name(path), tensor]));
  }));

test("OLMoE comes back from stacks of experts", () =>
  comesBack(
    "olmoe",
    {
      ...rms,
      embedding_length: ["u32", 32],
      feed_forward_length: ["u32", 20],
      expert_count: ["u32", 7],
      expert_used_count: ["u32", 2],
    },
    (own) => {
      const stacks = new Map<string, Tensor[]>();
      for (const [path, tensor] of own) {
        const name = renamed(path)
          .replace("post_attention_layernorm", "ffn_norm")
          .replace(/ffn_experts\.\d+\.(\w+)/, "ffn_$1_exps");
        stacks.set(name, [...(stacks.get(name) ?? []), tensor]);
      }
      const stacked = ([first, ...more]: Tensor[]) =>
        more.length === 0
          ? first!
          : Tensor.f32(
              [1 + more.length, ...first!.shape],
              [first!, ...more].flatMap(({ f32 }) => [...f32]),
            );
      return new Map([...stacks].map(([name, tensors]) => [name, stacked(tensors)]));
    },
  ));

test("an OLMo 3, which calls itself olmo2, is refused", async () => {
  const path = await writeGguf(
    "olmo2",
    { ...common, ...rms, "attention.sliding_window": ["u32", 4096] },
    new Map([["token_embd.weight", Tensor.f32([8, 48], new Float32Array(384))]]),
  );
  await expect(openCheckpoint(path)).rejects.toThrow(
    `${path}: olmo2.attention.sliding_window: is 4096: this is OLMo 3, which is not supported`,
  );
});
