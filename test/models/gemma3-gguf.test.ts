import { expect, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import type { GgufField } from "../io/gguf-bytes.js";
import { openFixture } from "./fixture.js";
import { writeGguf } from "./gguf-fixture.js";
import { decoderName } from "./gguf-names.js";

const fields: Record<string, GgufField> = {
  context_length: ["u32", 128],
  embedding_length: ["u32", 32],
  block_count: ["u32", 4],
  feed_forward_length: ["u32", 48],
  "attention.head_count": ["u32", 4],
  "attention.head_count_kv": ["u32", 2],
  "attention.key_length": ["u32", 12],
  "attention.layer_norm_rms_epsilon": ["f32", 1e-6],
  "attention.sliding_window": ["u32", 8],
  "rope.freq_base": ["f32", 20_000],
  "rope.scaling.type": ["string", "linear"],
  "rope.scaling.factor": ["f32", 4],
};

/** Names as llama.cpp's converter gives them. */
const renamed = (name: string): string =>
  decoderName(name)
    .replace("post_attention_layernorm", "post_attention_norm")
    .replace("pre_feedforward_layernorm", "ffn_norm")
    .replace("post_feedforward_layernorm", "post_ffw_norm");

test("Gemma 3 comes back from llama.cpp's names and norms", async () => {
  const { checkpoint, frozen } = await openFixture("gemma3-scaled");
  const parameters = [...checkpoint.model.namedParameters()].map(([path]) => path);
  const tensors = new Map<string, Tensor>();
  for (const path of parameters) {
    const { shape, f32 } = await frozen.read(path);
    tensors.set(renamed(path), Tensor.f32(shape, path.includes("norm") ? f32.map((x) => x + 1) : f32));
  }
  const gguf = await openCheckpoint(await writeGguf("gemma3", fields, tensors));
  const loaded = await gguf.load();
  for (const path of parameters) {
    expect(await loaded.read(path), path).toBeCloseToTensor(await frozen.read(path), { atol: 1e-7, rtol: 0 });
  }
  // What llama.cpp does not write: the pattern of windows, the local rope base, a scale of its own for the scores.
  expect(gguf.model.config).toEqual({
    ...checkpoint.model.config,
    localLayers: [true, true, true, true],
    ropeLocalBaseFreq: 10_000,
    queryPreAttnScalar: 12,
  });
  for (const weights of [frozen, loaded]) await weights.dispose();
  await gguf.close();
});
