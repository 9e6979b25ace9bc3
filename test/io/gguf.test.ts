import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { type ByteSource, memorySource } from "../../src/io/byte-source.js";
import { readGgufHeader } from "../../src/io/gguf.js";
import { type GgufField, ggufBytes } from "./gguf-bytes.js";

const read = (bytes: Uint8Array) => readGgufHeader(memorySource("m.gguf", bytes));

describe("a header", () => {
  test("as ggml's own Python package writes it gives the values and the tensors", async () => {
    const { version, metadata, tensors } = await readGgufHeader("test/fixtures/gguf/types.gguf");
    expect(version).toBe(3);
    expect(metadata.get("general.name")).toBe("every type");
    expect(metadata.get("test.u64")).toBe(2n ** 63n + 1n);
    expect(metadata.get("test.i32")).toBe(-7);
    expect(metadata.get("test.f64")).toBe(0.1);
    expect(metadata.get("test.bool")).toBe(true);
    expect(metadata.get("test.strings")).toEqual(["", "\ufeff", "é日🙂"]);
    expect(metadata.get("test.floats")).toEqual([0.5, -1.25]);
    expect(metadata.get("test.ints")).toEqual([1, -2, 3]);
    expect(tensors.get("Q6_K")).toMatchObject({ dtype: "Q6_K", shape: [2, 512], byteLength: 4 * 210 });
    expect(tensors.size).toBe(13);
  });

  const fields: Record<string, GgufField> = {
    u8: ["u8", 255],
    i8: ["i8", -128],
    u16: ["u16", 65535],
    i16: ["i16", -2],
    u32: ["u32", 2 ** 32 - 1],
    i64: ["i64", -5],
    f32: ["f32", 0.25],
    no: ["bool", false],
    text: ["string", "naïve"],
    flags: [["bool"], [true, false]],
    none: [["string"], []],
  };

  test.each([2, 3])("of version %i gives every type of value", async (version) => {
    const { metadata } = await read(ggufBytes(fields, {}, { version }));
    const expected = Object.entries(fields).map(([key, [, value]]) => [key, value]);
    expect([...metadata]).toEqual(expected);
  });

  test("gives shapes in the order of PyTorch, and places under the file's alignment", async () => {
    const bytes = ggufBytes(
      { "general.alignment": ["u32", 64] },
      {
        a: { shape: [2, 3], dtype: "F32", data: new Uint8Array(24) },
        b: { shape: [], dtype: "F16", data: new Uint8Array(2) },
      },
      { alignment: 64 },
    );
    const { tensors } = await read(bytes);
    expect(tensors.get("a")).toMatchObject({ shape: [2, 3], byteLength: 24, offset: bytes.length - 128 });
    expect(tensors.get("b")).toMatchObject({ shape: [], byteLength: 2, offset: bytes.length - 64 });
  });

  test("longer than the first read is read on, and what is asked for stays in bounds", async () => {
    const long = Array.from({ length: 700_000 }, (_, i) => `token ${i}`);
    const bytes = ggufBytes({ tokens: [["string"], long] });
    const reads: number[] = [];
    const inner = memorySource("m.gguf", bytes);
    const source: ByteSource = {
      ...inner,
      read: (offset, length, what) => {
        reads.push(length);
        return inner.read(offset, length, what);
      },
    };
    const { metadata } = await readGgufHeader(source);
    expect(metadata.get("tokens")).toEqual(long);
    expect(reads).toEqual([8 * 2 ** 20, bytes.length]);
  });
});

describe("a corrupt file is refused with its name and the place", () => {
  const f32 = { shape: [8], dtype: "F32", data: new Uint8Array(32) } as const;
  const q4 = { shape: [2, 32], dtype: "Q4_0", data: new Uint8Array(36) } as const;
  const spec = (extra: object) => ({ a: { ...f32, shape: [8], ...extra } });

  const cases: [string, Uint8Array, string][] = [
    [
      "an empty file",
      new Uint8Array(0),
      "m.gguf: magic: needs 4 bytes at offset 0, the file has 0; it is truncated",
    ],
    [
      "another kind of file",
      Buffer.from("PK\x03\x04 and so on"),
      "m.gguf: magic: does not start with 'GGUF'",
    ],
    ["version 1", ggufBytes({}, {}, { version: 1 }), "m.gguf: version: is 1, expected 2 or 3"],
    ["the other byte order", ggufBytes({}, {}, { version: 0x03000000 }), "version: is big-endian"],
    [
      "too many tensors",
      ggufBytes({}, {}, { tensorCount: 2n ** 60n }),
      "tensor count: claims 1152921504606846976 tensors",
    ],
    [
      "too many fields",
      ggufBytes({}, {}, { metadataCount: 2n ** 60n }),
      "metadata count: claims 1152921504606846976",
    ],
    [
      "more fields than there are",
      ggufBytes({}, {}, { metadataCount: 5n }),
      "needs 4 bytes at offset 32, the file has 32",
    ],
    ["a field twice", duplicateField(), "m.gguf: k: occurs twice"],
    [
      "a text longer than the file",
      patch(ggufBytes({ k: ["string", "ab"] }), "k", 5, 2n ** 40n),
      "k: claims 1099511627776 bytes of text",
    ],
    [
      "an array longer than the file",
      patch(ggufBytes({ k: [["u8"], [1]] }), "k", 9, 2n ** 40n),
      "k: claims 1099511627776 array elements",
    ],
    [
      "a value of an unknown type",
      patch32(ggufBytes({ k: ["u32", 1] }), "k", 1, 99),
      "k: has the value type 99",
    ],
    [
      "an array of an unknown type",
      patch32(ggufBytes({ k: [["u8"], [1]] }), "k", 5, 99),
      "k: has the array type 99",
    ],
    [
      "an alignment that is no power of two",
      ggufBytes({ "general.alignment": ["u32", 24] }),
      "general.alignment: is 24",
    ],
    [
      "a type that is not read",
      ggufBytes({}, spec({ typeId: 16 })),
      "tensor a: is stored as IQ2_XXS, expected one of F32, F16",
    ],
    ["an unknown type", ggufBytes({}, spec({ typeId: 1000 })), "tensor a: is stored as type 1000"],
    [
      "too many dimensions",
      ggufBytes({}, spec({ shape: [1, 1, 1, 2, 4] })),
      "tensor a: has 5 dimensions, expected at most 4",
    ],
    [
      "rows of half a block",
      ggufBytes({}, { a: { ...q4, shape: [4, 16] } }),
      "tensor a: has rows of 16, expected a multiple of 32 for Q4_0",
    ],
    [
      "an offset that is not aligned",
      ggufBytes({}, spec({ offset: 4 })),
      "tensor a: has the offset 4, expected a multiple of 32",
    ],
    [
      "an offset past the end",
      ggufBytes({}, spec({ offset: 2 ** 40 })),
      "tensor a: claims 1099511627776 bytes of offset",
    ],
    [
      "a tensor past the end",
      ggufBytes({}, spec({ shape: [100] })),
      "tensor a: [100] F32 needs bytes 64..464, the file has 96; it is truncated",
    ],
    [
      "a shape past every memory",
      ggufBytes({}, spec({ shape: [2 ** 40, 2 ** 40] })),
      "tensor a: [1099511627776,1099511627776] F32 needs",
    ],
    [
      "an overlap",
      ggufBytes({}, { a: f32, b: { ...f32, offset: 0 } } as never),
      "tensor b: overlaps a; the file is corrupt",
    ],
  ];

  test.each(cases)("%s", async (_, bytes, message) => {
    const failed = await read(bytes).catch((error) => error);
    expect(failed).toBeInstanceOf(InputError);
    expect(failed.message).toContain(message);
    expect(failed.message).toMatch(/^m\.gguf: /);
  });

  test("a file cut anywhere", async () => {
    const whole = await readFile("test/fixtures/gguf/types.gguf");
    const padding = 32;
    for (let length = 0; length < whole.length - padding; length += length < 1500 ? 1 : 97) {
      const failed = await read(whole.subarray(0, length)).catch((error) => error);
      expect(failed, `cut at ${length}`).toBeInstanceOf(InputError);
    }
  });

  test("a file with any byte of its header changed is read or refused, never a crash", async () => {
    const whole = await readFile("test/fixtures/gguf/types.gguf");
    for (let at = 0; at < 1400; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = bytes[at]! ^ 0xff;
      const outcome = await read(bytes).catch((error) => error);
      if (outcome instanceof Error)
        expect(outcome, `byte ${at}: ${outcome.stack}`).toBeInstanceOf(InputError);
    }
  });
});

/** Two fields of one key. */
function duplicateField(): Buffer {
  const bytes = ggufBytes({ k: ["u32", 1], j: ["u32", 2] });
  bytes.write("k", bytes.indexOf("j"));
  return bytes;
}

/** Writes over the 64-bit number that lies `after` bytes behind the start of a key. */
function patch(bytes: Buffer, key: string, after: number, value: bigint): Buffer {
  bytes.writeBigUInt64LE(value, bytes.indexOf(key) + after);
  return bytes;
}

/** As {@link patch}, for 32 bits. */
function patch32(bytes: Buffer, key: string, after: number, value: number): Buffer {
  bytes.writeUInt32LE(value, bytes.indexOf(key) + after);
  return bytes;
}
