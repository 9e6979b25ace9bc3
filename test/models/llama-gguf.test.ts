import { expect, onTestFinished, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import { openFixture } from "./fixture.js";
import { writeGguf, writeLlamaGguf } from "./gguf-fixture.js";
import { llamaFields, llamaName } from "./gguf-names.js";

/** A tiny model, and the same as a GGUF file. */
async function openBoth(name: string) {
  const { checkpoint, frozen } = await openFixture(name);
  const gguf = await openCheckpoint(await writeLlamaGguf(checkpoint.model, frozen));
  onTestFinished(async () => {
    await frozen.dispose();
    await gguf.close();
  });
  return { checkpoint, frozen, gguf };
}

test.each(["llama-gqa", "llama-tied-llama3", "mistral"])(
  "%s comes back from llama.cpp's order and names",
  async (name) => {
    const { checkpoint, frozen, gguf } = await openBoth(name);
    const loaded = await gguf.load();
    for (const [path] of checkpoint.model.namedParameters()) {
      expect([...(await loaded.read(path)).f32], path).toEqual([...(await frozen.read(path)).f32]);
    }
    await loaded.dispose();
    expect(gguf.eosTokenIds).toEqual([2, 7]);
  },
);

test.each(["llama-gqa", "llama-tied-llama3"])("the metadata say what the config of %s does", async (name) => {
  const { checkpoint, gguf } = await openBoth(name);
  expect(gguf.model.config).toEqual({
    ...checkpoint.model.config,
    ropeTheta: 10_000,
    ropeScaling: { type: "default" },
  });
});

test("a Mistral is a Llama there, without a window", async () => {
  const { checkpoint, gguf } = await openBoth("mistral");
  expect(gguf.model.config.modelType).toBe("llama");
  for (const [, layer] of checkpoint.model.attentions()) expect(layer.window).toBe(6);
  for (const [, layer] of gguf.model.attentions()) expect(layer.window).toBe(Number.POSITIVE_INFINITY);
});

/** As the converter computes rope_freqs.weight from the fields of a config (Llama 3.1). */
function ropeDivisors(dim: number, theta: number, factor: number, original: number): number[] {
  return Array.from({ length: dim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / dim);
    if (wavelength < original / 4) return 1;
    if (wavelength > original / 1) return factor;
    const smooth = (original / wavelength - 1) / (4 - 1);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

async function withRopeDivisors(divisors: readonly number[]): Promise<string> {
  const { checkpoint, frozen } = await openFixture("llama-gqa");
  const tensors = new Map<string, Tensor>();
  for (const [path] of checkpoint.model.namedParameters())
    tensors.set(llamaName(path), await frozen.read(path));
  await frozen.dispose();
  tensors.set("rope_freqs.weight", Tensor.f32([divisors.length], divisors));
  return writeGguf("llama", { ...llamaFields, "rope.freq_base": ["f32", 500_000] }, tensors);
}

test("the frequencies of a Llama 3.1 file are known as the llama3 scaling", async () => {
  const checkpoint = await openCheckpoint(await withRopeDivisors(ropeDivisors(12, 500_000, 32, 8192)));
  expect(checkpoint.config).toMatchObject({
    rope_theta: 500_000,
    rope_scaling: {
      rope_type: "llama3",
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
  });
  await checkpoint.close();
});

test("frequencies of any other rule are refused", async () => {
  const path = await withRopeDivisors(ropeDivisors(12, 500_000, 32, 4096));
  await expect(openCheckpoint(path)).rejects.toThrow(
    `${path}: tensor rope_freqs.weight: is not the llama3 scaling by 32 of 8192 positions`,
  );
});
