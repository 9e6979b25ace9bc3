import { expect, test } from "vitest";
import { dequantize, type FrozenWeights, quantize, Tensor } from "../../src/engine/index.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import type { GgufTensorSpec } from "../io/gguf-bytes.js";
import { fixtureFolder, openFixture } from "./fixture.js";
import { permuted, writeGguf } from "./gguf-fixture.js";
import { llamaFields, llamaName } from "./gguf-names.js";

/** Whether each weight is stored in blocks, of how many bits. */
const bitsOf = (frozen: FrozenWeights, name: string): number | undefined => {
  const stored = frozen.get(name);
  return "bits" in stored ? stored.bits : undefined;
};

test.each([
  ["int8", 8],
  ["int4", 4],
] as const)(
  "%s rounds matrices whose rows are whole blocks, and nothing else",
  async (quantization, bits) => {
    const checkpoint = await openCheckpoint(fixtureFolder("llama-gqa"));
    const [loaded, frozen] = [await checkpoint.load(quantization), await checkpoint.load()];
    const layer = "model.layers.1";
    const rounded = [
      "model.embed_tokens.weight",
      "lm_head.weight",
      ...["q_proj", "k_proj", "v_proj"].map((name) => `${layer}.self_attn.${name}.weight`),
      ...["gate_proj", "up_proj"].map((name) => `${layer}.mlp.${name}.weight`),
    ];
    for (const name of rounded) {
      const its = /embed_tokens|lm_head|v_proj|up_proj/.test(name) ? 8 : bits;
      expect(bitsOf(loaded, name), name).toBe(its);
      const expected = dequantize(quantize(await frozen.read(name), its));
      expect((await loaded.read(name)).f32, name).toEqual(expected.f32);
    }
    // Rows of 56 and of 48 numbers, and no matrix.
    const kept = ["mlp.down_proj", "self_attn.o_proj", "input_layernorm"].map(
      (name) => `${layer}.${name}.weight`,
    );
    for (const name of kept) {
      expect(bitsOf(loaded, name), name).toBeUndefined();
      expect((await loaded.read(name)).f32, name).toEqual((await frozen.read(name)).f32);
    }
    for (const weights of [loaded, frozen]) await weights.dispose();
    await checkpoint.close();
  },
);

test.each([
  ["gpt2", "transformer.h.0.attn.c_attn.weight", "transformer.wte.weight"],
  ["olmoe", "model.layers.0.mlp.gate.weight", "model.layers.0.mlp.experts.1.up_proj.weight"],
])("of %s, %s stays as it is beside %s", async (fixture, kept, rounded) => {
  const checkpoint = await openCheckpoint(fixtureFolder(fixture));
  const loaded = await checkpoint.load("int8");
  expect([bitsOf(loaded, kept), bitsOf(loaded, rounded)]).toEqual([undefined, 8]);
  await loaded.dispose();
  await checkpoint.close();
});

/** Rows of 32 numbers as blocks of Q8_0, or Q4_1: a scale of 1/64, and an offset of -1/8. */
function inBlocks({ shape, f32 }: Tensor, dtype: "Q8_0" | "Q4_1"): GgufTensorSpec {
  const numbers = [...f32].map((value) => Math.round(value * 64));
  const rows = Array.from({ length: numbers.length / 32 }, (_, row) =>
    numbers.slice(32 * row, 32 * row + 32),
  );
  const blocks = rows.map((row) =>
    dtype === "Q8_0"
      ? [0x00, 0x24, ...row]
      : [0x00, 0x24, 0x00, 0xb0, ...row.slice(16).map((q, j) => (q & 15) | ((row[j]! & 15) << 4))],
  );
  return { shape: [...shape], dtype, data: Uint8Array.from(blocks.flat()) };
}

test("a GGUF file's blocks are kept, their rows in Hugging Face's order; those with offsets become the nearest of 8 bits", async () => {
  const { checkpoint, frozen } = await openFixture("llama-gqa");
  const tensors = new Map<string, Tensor | GgufTensorSpec>();
  for (const [path] of checkpoint.model.namedParameters()) {
    const tensor = await frozen.read(path);
    const stored = /[qk]_proj/.test(path) ? permuted(tensor, 12) : tensor;
    const isBlock = /q_proj|embed/.test(path);
    tensors.set(
      llamaName(path),
      isBlock ? inBlocks(stored, "Q8_0") : /v_proj/.test(path) ? inBlocks(stored, "Q4_1") : stored,
    );
  }
  const gguf = await openCheckpoint(await writeGguf("llama", llamaFields, tensors));
  const [blocks, plain] = [await gguf.load("gguf"), await gguf.load()];
  for (const [name] of checkpoint.model.namedParameters()) {
    const numbers = await plain.read(name);
    const expected = /v_proj/.test(name) ? dequantize(quantize(numbers, 8)) : numbers;
    expect(bitsOf(blocks, name), name).toBe(/q_proj|v_proj|embed/.test(name) ? 8 : undefined);
    expect((await blocks.read(name)).f32, name).toEqual(expected.f32);
  }
  const query = "model.layers.0.self_attn.q_proj.weight";
  const rounded = (await frozen.read(query)).f32.map((value) => Math.round(value * 64) / 64);
  expect((await blocks.read(query)).f32.map(Math.abs)).toEqual(rounded.map(Math.abs));
  for (const weights of [blocks, plain, frozen]) await weights.dispose();
  await gguf.close();
});

test("a vocabulary that is read in pieces has all its rows", async () => {
  const { checkpoint, frozen } = await openFixture("llama-gqa");
  const size = 40_000; // 1.28 million numbers
  const table = Tensor.f32(
    [size, 32],
    Float32Array.from({ length: size * 32 }, (_, i) => (i % 191) / 64 - 1),
  );
  const tensors = new Map<string, Tensor | GgufTensorSpec>();
  for (const [path] of checkpoint.model.namedParameters())
    tensors.set(llamaName(path), await frozen.read(path));
  tensors.set("token_embd.weight", inBlocks(table, "Q8_0")).set("output.weight", table);
  const gguf = await openCheckpoint(await writeGguf("llama", llamaFields, tensors));
  const expected = Buffer.from(table.f32.buffer); // Compared number by number it takes 10 s.
  for (const quantization of ["none", "gguf"] as const) {
    const loaded = await gguf.load(quantization);
    for (const name of ["model.embed_tokens.weight", "lm_head.weight"])
      expect(Buffer.from((await loaded.read(name)).f32.buffer).equals(expected)).toBe(true);
    await loaded.dispose();
  }
  await frozen.dispose();
  await gguf.close();
});

test("files without blocks stay as they are", async () => {
  const checkpoint = await openCheckpoint(fixtureFolder("llama-gqa"));
  const loaded = await checkpoint.load("gguf");
  expect(loaded.quantized).toBe(false);
  await loaded.dispose();
  await checkpoint.close();
});
