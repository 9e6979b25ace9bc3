import { describe, expect, test } from "vitest";
import { dequantize as dequantizeBlocks } from "../../src/engine/index.js";
import { dequantize, type GgmlTypeName, ggmlTypes, isBlockType } from "../../src/io/gguf-quants.js";
import { openSafetensorsFile } from "../../src/io/safetensors.js";
import { openGguf } from "../../src/io/weight-source.js";

describe("dequantisation", () => {
  test.each(Object.keys(ggmlTypes))("of %s is bit for bit that of ggml", async (type) => {
    const stored = await openGguf("test/fixtures/gguf/types.gguf");
    const ggml = await openSafetensorsFile("test/fixtures/gguf/types.safetensors");
    const expected = await ggml.read(type);
    const got = await stored.read(type);
    expect(got.shape).toEqual(expected.shape);
    expect(Buffer.from(got.f32.buffer).equals(Buffer.from(expected.f32.buffer))).toBe(true);
    expect(new Set(got.f32).size).toBeGreaterThan(100);
    await stored.close();
    await ggml.close();
  });

  test.each([
    ["Q4_0", 4, 32],
    ["Q5_0", 8, 32],
    ["Q8_0", 8, 32],
    ["Q6_K", 8, 16],
  ])(
    "of %s is the same, bit for bit, from blocks of %i bits and %i weights",
    async (type, bits, blockSize) => {
      const stored = await openGguf("test/fixtures/gguf/types.gguf");
      const blocks = await stored.readBlocks(type);
      expect(blocks).toMatchObject({ bits, blockSize });
      expect(blocks).toMatchObject(stored.blockFormat(type)!);
      expect(dequantizeBlocks(blocks).f32).toEqual((await stored.read(type)).f32);
      await stored.close();
    },
  );

  test.each(["F16", "Q4_0", "Q6_K", "Q4_K"])("of some rows of %s gives those of the whole", async (type) => {
    const stored = await openGguf("test/fixtures/gguf/types.gguf");
    const { shape, f32 } = await stored.read(type);
    const columns = shape[1]!;
    const rows = { start: 1, end: shape[0]! };
    const some = await stored.read(type, rows);
    expect(some.shape).toEqual([rows.end - 1, columns]);
    expect(some.f32).toEqual(f32.subarray(columns));
    if (stored.blockFormat(type))
      expect(dequantizeBlocks(await stored.readBlocks(type, rows)).f32).toEqual(f32.subarray(columns));
    await stored.close();
  });

  test("of types with an offset has no blocks, nor have plain numbers", async () => {
    const stored = await openGguf("test/fixtures/gguf/types.gguf");
    for (const type of ["F32", "F16", "BF16", "Q4_1", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K"])
      expect(stored.blockFormat(type), type).toBeUndefined();
    await expect(stored.readBlocks("Q4_K")).rejects.toThrow(RangeError);
    await stored.close();
    expect(["F32", "F16", "Q4_1", "Q6_K", "BOOL"].map(isBlockType)).toEqual([
      false,
      false,
      true,
      true,
      false,
    ]);
  });

  test("handles bytes at any place of a buffer", () => {
    const bytes = new Uint8Array(3 + 34).subarray(3);
    bytes.set([0x00, 0x3c, ...Array.from({ length: 32 }, (_, i) => i - 16)]);
    expect([...dequantize("Q8_0", bytes, 32)]).toEqual(Array.from({ length: 32 }, (_, i) => i - 16));
  });

  const wrong: [GgmlTypeName, number, number][] = [
    ["Q4_0", 17, 32],
    ["Q4_0", 18, 31],
    ["F32", 8, 1],
  ];
  test.each(wrong)("of %s from %i bytes to %i weights is an error", (type, length, count) => {
    expect(() => dequantize(type, new Uint8Array(length), count)).toThrow(RangeError);
  });
});
