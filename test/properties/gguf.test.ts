import fc from "fast-check";
import { expect, test } from "vitest";
import { halfToNumber } from "../../src/engine/half.js";
import { memorySource } from "../../src/io/byte-source.js";
import { readGgufHeader } from "../../src/io/gguf.js";
import { dequantize, type GgmlTypeName, ggmlTypes } from "../../src/io/gguf-quants.js";
import { openGguf } from "../../src/io/weight-source.js";
import { type GgufField, type GgufTensorSpec, ggufBytes } from "../io/gguf-bytes.js";
import { bytesOf, cut, damage, damaged, holds, names, outcome, refused, share } from "./properties.js";

/** Values of each type of a field. */
const scalars = {
  u8: fc.nat(255),
  i8: fc.integer({ min: -128, max: 127 }),
  u16: fc.nat(2 ** 16 - 1),
  i16: fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }),
  u32: fc.nat(2 ** 32 - 1),
  i32: fc.integer(),
  f32: fc.float(),
  bool: fc.boolean(),
  string: names,
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  f64: fc.double(),
};
type ScalarType = keyof typeof scalars;

const field: fc.Arbitrary<GgufField> = fc
  .constantFrom(...(Object.keys(scalars) as ScalarType[]))
  .chain((type) => {
    const value: fc.Arbitrary<unknown> = scalars[type];
    return fc.oneof(
      value.map((x): GgufField => [type, x]),
      fc.array(value, { maxLength: 4 }).map((list): GgufField => [[type], list]),
    );
  });

const types = fc.constantFrom(...(Object.keys(ggmlTypes) as GgmlTypeName[]));
const bytesFor = (dtype: GgmlTypeName, count: number) =>
  bytesOf((count / ggmlTypes[dtype].block) * ggmlTypes[dtype].bytes);

/** Matrices of any type and any bits: some rows of one or two blocks. */
const matrix: fc.Arbitrary<GgufTensorSpec> = fc
  .record({ dtype: types, rows: fc.nat(3), blocks: fc.integer({ min: 1, max: 2 }) })
  .chain(({ dtype, rows, blocks }) => {
    const shape = [rows, blocks * ggmlTypes[dtype].block];
    return bytesFor(dtype, shape[0]! * shape[1]!).map((data) => ({ dtype, shape, data }));
  });

const dictionary = <T>(values: fc.Arbitrary<T>, maxKeys: number) =>
  fc.dictionary(names, values, { maxKeys, noNullPrototype: true });
const files = fc.record({ metadata: dictionary(field, 4), tensors: dictionary(matrix, 4) });
type Contents = typeof files extends fc.Arbitrary<infer T> ? T : never;

const encode = ({ metadata, tensors }: Contents) => ggufBytes(metadata, tensors);

/** 64-bit integers are numbers where a number is exact. */
const asRead = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(asRead);
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
};

/** All that a file says; tensors as bits, for a NaN is equal to no other. */
async function readAll(bytes: Uint8Array) {
  const source = await openGguf(memorySource("m.gguf", bytes));
  const tensors = new Map<string, unknown>();
  for (const [name, { dtype, shape }] of source.tensors) {
    const { data } = await source.read(name);
    if (source.blockFormat(name)) await source.readBlocks(name);
    tensors.set(name, [
      dtype,
      shape,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex"),
    ]);
  }
  return { metadata: source.header.metadata, tensors };
}

test("any metadata and any tensors come back as they were written", () =>
  holds(200, files, async (contents) => {
    const bytes = encode(contents);
    const { metadata, tensors } = await readGgufHeader(memorySource("m.gguf", bytes));
    const written = Object.entries(contents.metadata).map(
      ([key, [, value]]) => [key, asRead(value)] as const,
    );
    expect(metadata).toEqual(new Map(written));
    expect([...tensors.keys()]).toEqual(Object.keys(contents.tensors));
    for (const [name, { dtype, shape, data }] of Object.entries(contents.tensors)) {
      const { offset, byteLength, ...info } = tensors.get(name)!;
      expect(info).toEqual({ name, dtype, shape });
      expect(bytes.subarray(offset, offset + byteLength).equals(data)).toBe(true);
    }
  }));

const bits = (x: Float32Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength).toString("hex");

test("a block says the same wherever it lies, and so do rows by themselves", () =>
  holds(300, matrix, share, async ({ dtype, shape, data }, where) => {
    const [rows, width] = shape as [number, number];
    const whole = dequantize(dtype, data, rows * width);
    const { block, bytes } = ggmlTypes[dtype];
    for (let i = 0; i * block < whole.length; i++) {
      const alone = dequantize(dtype, data.slice(i * bytes, (i + 1) * bytes), block);
      expect(bits(alone)).toBe(bits(whole.slice(i * block, (i + 1) * block)));
    }
    const start = Math.floor(where * (rows + 1));
    const source = await openGguf(memorySource("m.gguf", ggufBytes({}, { x: { dtype, shape, data } })));
    const part = await source.read("x", { start, end: rows });
    expect(bits(part.f32)).toBe(bits(whole.slice(start * width)));
  }));

/** Finite halves, as their bits. */
const half = fc.nat(0xffff).filter((h) => (h & 0x7c00) !== 0x7c00);
const quants = (levels: number) => fc.array(fc.nat(levels - 1), { minLength: 32, maxLength: 32 });
const word = (h: number) => [h & 0xff, h >> 8];
/** Weights 0..15 in the low halves of bytes, 16..31 in the high ones. */
const nibbles = (q: readonly number[]) =>
  q.slice(0, 16).map((low, j) => (low & 15) | ((q[j + 16]! & 15) << 4));
/** The fifth bit of each weight. */
const fifths = (q: readonly number[]) =>
  [0, 8, 16, 24].map((at) => q.slice(at, at + 8).reduce((byte, x, j) => byte | ((x >> 4) << j), 0));

/** How the plain types pack a scale, a minimum and 32 numbers; what a number stands for. */
const packed: Partial<Record<GgmlTypeName, Packing>> = {
  Q4_0: { levels: 16, pack: (d, _, q) => [...word(d), ...nibbles(q)], weight: (d, _, q) => d * (q - 8) },
  Q4_1: {
    levels: 16,
    pack: (d, m, q) => [...word(d), ...word(m), ...nibbles(q)],
    weight: (d, m, q) => d * q + m,
  },
  Q5_0: {
    levels: 32,
    pack: (d, _, q) => [...word(d), ...fifths(q), ...nibbles(q)],
    weight: (d, _, q) => d * (q - 16),
  },
  Q5_1: {
    levels: 32,
    pack: (d, m, q) => [...word(d), ...word(m), ...fifths(q), ...nibbles(q)],
    weight: (d, m, q) => d * q + m,
  },
  Q8_0: {
    levels: 256,
    pack: (d, _, q) => [...word(d), ...q.map((x) => (x - 128) & 0xff)],
    weight: (d, _, q) => d * (q - 128),
  },
};

interface Packing {
  readonly levels: number;
  /** A block's bytes; scale and minimum are the bits of halves. */
  pack(scale: number, minimum: number, quants: readonly number[]): number[];
  weight(scale: number, minimum: number, quant: number): number;
}

test.each(Object.entries(packed))("what is packed as %s is what is read", (name, { levels, pack, weight }) =>
  holds(200, half, half, quants(levels), (d, m, q) => {
    const read = dequantize(name as GgmlTypeName, Uint8Array.from(pack(d, m, q)), 32);
    const [scale, minimum] = [halfToNumber(d), halfToNumber(m)];
    expect([...read]).toEqual(q.map((x) => Math.fround(weight(scale, minimum, x))));
  }),
);

test("a file that was cut off is refused, or says the same: only what fills up its end is missing", () =>
  holds(300, files, share, async (contents, left) => {
    const bytes = encode(contents);
    const read = await outcome(() => readAll(cut(bytes, left)));
    if (read !== refused) expect(read).toEqual(await readAll(bytes));
  }));

test("a file with a few other bytes is read or refused", () =>
  holds(1000, files, damage, async (contents, places) => {
    await outcome(() => readAll(damaged(encode(contents), places)));
  }));
