import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tensor } from "../../../src/engine/index.js";
import { encodeSafetensors } from "../../../src/io/safetensors.js";
import { openSafetensors, type WeightSource } from "../../../src/io/weight-source.js";
import { readDecoderFile, writeDecoderFile } from "../../../src/tptt/files/decoder-file.js";
import { mutateSafetensors } from "../mutate-formats.js";
import { mutateJson } from "../mutate-json.js";
import { type Reader, type Sample, type Step, sample } from "../sample.js";

/** Every tensor, whole and in rows, and in blocks where it has them. */
export async function readAll(weights: WeightSource, step: Step): Promise<void> {
  try {
    for (const [name, { shape }] of weights.tensors) {
      await step(() => weights.read(name));
      if (shape.length > 1 && shape[0]! > 1) await step(() => weights.read(name, { start: 1, end: 2 }));
      if (weights.blockFormat(name)) await step(() => weights.readBlocks(name));
    }
  } finally {
    await weights.close();
  }
}

/** The state of a decoder: its digest lets nothing through that was changed. */
async function decoderFile(root: string): Promise<Sample> {
  const hash = "0".repeat(64);
  const fingerprint = {
    ...{ base_config: hash, base_weights: hash, config: hash, trained_weights: hash },
    mag_weights: "[0.5]",
  };
  const path = join(root, "state.safetensors");
  const state = new Map([["linear_cache.0.recurrent_state", Tensor.f32([1, 1, 2, 2], [1, 2, 3, 4])]]);
  const metadata = { conversation: JSON.stringify({ messages: [] }) };
  await writeDecoderFile(path, { seen: [3], state, metadata }, fingerprint);
  return sample(root, {
    file: "state.safetensors",
    bytes: await readFile(path),
    mutate: mutateSafetensors,
    read: (folder, step) => step(() => readDecoderFile(join(folder, "state.safetensors"), () => {})),
  });
}

/** Weights of one file, and of several with an index. */
export const safetensors: Reader = {
  name: "safetensors",
  async samples(root) {
    const tensors = new Map<string, Tensor>([
      ["a.weight", Tensor.f32([4, 8], new Float32Array(32))],
      ["a.bias", Tensor.f32([4], [1, 2, 3, 4])],
      ["ids", new Tensor("int64", [3], new BigInt64Array([1n, 2n, 3n]))],
      ["empty", Tensor.f32([0, 3], [])],
      ["half", new Tensor("f16", [2, 2], new Uint16Array([0, 1, 2, 3]))],
    ]);
    const bytes = Buffer.concat([...encodeSafetensors(tensors)]);
    const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
    const index = {
      metadata: { total_size: bytes.length },
      weight_map: Object.fromEntries([...tensors.keys()].map((name, i) => [name, shards[i % 2]])),
    };
    const single = "model.safetensors";
    return [
      await decoderFile(root),
      await sample(root, {
        file: single,
        bytes,
        mutate: mutateSafetensors,
        read: async (folder, step) => step(async () => readAll(await openSafetensors(folder), step)),
      }),
      await sample(root, {
        file: "model.safetensors.index.json",
        bytes: JSON.stringify(index),
        mutate: mutateJson,
        beside: Object.fromEntries(shards.map((name) => [name, bytes])),
        read: async (folder, step) => step(async () => readAll(await openSafetensors(folder), step)),
      }),
    ];
  },
};
