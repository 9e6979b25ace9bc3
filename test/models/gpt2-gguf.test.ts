import { expect, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import type { GgufField } from "../io/gguf-bytes.js";
import { openFixture } from "./fixture.js";
import { writeGguf } from "./gguf-fixture.js";

/** What llama.cpp's converter writes. */
const fields: Record<string, GgufField> = {
  context_length: ["u32", 64],
  embedding_length: ["u32", 32],
  block_count: ["u32", 2],
  feed_forward_length: ["u32", 128],
  "attention.head_count": ["u32", 4],
  "attention.layer_norm_epsilon": ["f32", 1e-5],
  "tokenizer.ggml.bos_token_id": ["u32", 0],
  "tokenizer.ggml.eos_token_id": ["u32", 0],
};

/** Names as it gives them. */
const renamed = (name: string): string =>
  name
    .replace("transformer.wte", "token_embd")
    .replace("transformer.wpe", "position_embd")
    .replace("transformer.ln_f", "output_norm")
    .replace("transformer.h", "blk")
    .replace("ln_1", "attn_norm")
    .replace("attn.c_attn", "attn_qkv")
    .replace("attn.c_proj", "attn_output")
    .replace("ln_2", "ffn_norm")
    .replace("mlp.c_fc", "ffn_up")
    .replace("mlp.c_proj", "ffn_down");

/** As it does with the weights of c_attn, c_proj and c_fc: data.transpose(1, 0) */
function transposed({ shape, f32 }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  const cells = Array.from(
    { length: f32.length },
    (_, i) => f32[(i % rows) * columns + Math.floor(i / rows)]!,
  );
  return Tensor.f32([columns, rows], cells);
}

test.each([false, true])(
  "GPT-2 comes back from llama.cpp's names and its transposed weights (head written out: %s)",
  async (head) => {
    const { checkpoint, frozen } = await openFixture("gpt2");
    const parameters = [...checkpoint.model.namedParameters()].map(([path]) => path);
    const tensors = new Map<string, Tensor>();
    for (const path of parameters) {
      const tensor = await frozen.read(path);
      tensors.set(renamed(path), /c_\w+\.weight/.test(path) ? transposed(tensor) : tensor);
    }
    // Older converters wrote the tied head a second time.
    if (head) tensors.set("output.weight", tensors.get("token_embd.weight")!);
    const gguf = await openCheckpoint(await writeGguf("gpt2", fields, tensors));
    const loaded = await gguf.load();
    for (const path of parameters) {
      expect([...(await loaded.read(path)).f32], path).toEqual([...(await frozen.read(path)).f32]);
    }
    expect(gguf.model.config).toEqual({ ...checkpoint.model.config, tieWordEmbeddings: !head });
    expect(gguf.eosTokenIds).toEqual([0]);
    for (const weights of [frozen, loaded]) await weights.dispose();
    await gguf.close();
  },
);
