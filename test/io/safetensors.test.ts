import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Tensor } from "../../src/engine/tensor.js";
import { InputError } from "../../src/errors.js";
import { memorySource } from "../../src/io/byte-source.js";
import {
  encodeSafetensors,
  openSafetensorsFile,
  streamSafetensors,
  writeSafetensors,
} from "../../src/io/safetensors.js";

const bytesOf = (...args: Parameters<typeof encodeSafetensors>) =>
  Buffer.concat([...encodeSafetensors(...args)]);

/** A file with any header and any data. */
function fileOf(header: unknown, dataBytes: number, length?: bigint): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([start, json, Buffer.alloc(dataBytes)]);
}

const open = (bytes: Uint8Array) => openSafetensorsFile(memorySource("m.safetensors", bytes));

describe("reading what Python wrote", () => {
  const path = "test/fixtures/models/llama-gqa/model.safetensors";

  test("a file of transformers gives its tensors and metadata", async () => {
    const file = await openSafetensorsFile(path);
    expect(file.metadata.get("format")).toBe("pt");
    expect(file.tensors.get("model.embed_tokens.weight")).toMatchObject({ dtype: "F32", shape: [96, 32] });
    const norm = await file.read("model.norm.weight");
    expect(norm.shape).toEqual([32]);
    expect(norm.f32.every((x) => x >= 0.5 && x <= 1.5)).toBe(true);
    await file.close();
  });

  test("the same tensors are written with the same bytes as by Python", async () => {
    for (const fixture of [path, "test/fixtures/models/llama-gqa/expected.safetensors"]) {
      const file = await openSafetensorsFile(fixture);
      const tensors = new Map<string, Tensor>();
      for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
      await file.close();
      const written = bytesOf(tensors, Object.fromEntries(file.metadata));
      expect(written.equals(await readFile(fixture))).toBe(true);
    }
  });
});

describe("writing", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tptt-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const all = new Map<string, Tensor>([
    ["b", new Tensor("f32", [2, 2], Float32Array.of(1, -2, 0.5, Number.NaN))],
    ["a", new Tensor("bool", [3], Uint8Array.of(1, 0, 1))],
    ["half", new Tensor("f16", [1], Uint16Array.of(0x3c00))],
    ["brain", new Tensor("bf16", [1, 1], Uint16Array.of(0x3f80))],
    ["scalar", new Tensor("int64", [], BigInt64Array.of(-(2n ** 62n)))],
    ["empty", new Tensor("int32", [0, 4], new Int32Array(0))],
    ["byte", new Tensor("uint8", [1], Uint8Array.of(255))],
    ["signed", new Tensor("int8", [1], Int8Array.of(-1))],
    ["double", new Tensor("f64", [1], Float64Array.of(0.1))],
    ["__proto__", new Tensor("int32", [1], Int32Array.of(7))],
  ]);

  test("every dtype and shape comes back as it was", async () => {
    const path = join(folder, "all.safetensors");
    await writeSafetensors(path, all);
    const file = await openSafetensorsFile(path);
    expect([...file.tensors.keys()].sort()).toEqual([...all.keys()].sort());
    for (const [name, tensor] of all) {
      const back = await file.read(name);
      expect([back.dtype, back.shape, back.data]).toEqual([tensor.dtype, tensor.shape, tensor.data]);
    }
    expect(file.metadata).toEqual(new Map([["format", "pt"]]));
    await file.close();
    expect(await readdir(folder)).toEqual(["all.safetensors"]);
  });

  test("the bytes do not depend on the order of the map, and every tensor is aligned to its elements", async () => {
    const written = bytesOf(all);
    expect(bytesOf(new Map([...all].reverse())).equals(written)).toBe(true);
    const file = await open(written);
    const size: Partial<Record<string, number>> = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2 };
    for (const { dtype, offset } of file.tensors.values()) expect(offset % (size[dtype] ?? 1)).toBe(0);
  });

  test("metadata is that of the caller", async () => {
    const metadata = { step: "3", ["__proto__"]: "x" };
    const file = await open(bytesOf(new Map(), metadata));
    expect(file.metadata).toEqual(new Map(Object.entries(metadata)));
    expect(file.tensors.size).toBe(0);
  });

  test.each([{}, { step: "3" }])("no tensor takes the name of the metadata (%o)", (metadata) => {
    expect(() => bytesOf(new Map([["__metadata__", Tensor.f32([1], [1])]]), metadata)).toThrow(
      "a tensor cannot be named __metadata__",
    );
  });

  test("a tensor that was disposed of leaves no file behind", async () => {
    const gone = Tensor.zeros("f32", [4]);
    gone.dispose();
    await expect(writeSafetensors(join(folder, "x.safetensors"), new Map([["a", gone]]))).rejects.toThrow(
      "dispose",
    );
    expect(await readdir(folder)).toEqual([]);
  });

  test("a view into a larger buffer is written alone", async () => {
    const view = new Float32Array(8).fill(9).subarray(2, 4);
    const file = await open(bytesOf(new Map([["a", new Tensor("f32", [2], view)]])));
    expect((await file.read("a")).data).toEqual(Float32Array.of(9, 9));
  });
});

describe("streaming", () => {
  const tensors = new Map([
    ["b", Tensor.f32([2], [1, 2])],
    ["a", Tensor.f32([3], [3, 4, 5])],
    ["wide", Tensor.int64([1], [6])],
  ]);

  test("gives the same file, with one tensor read at a time, in the file's order", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tptt-"));
    const reads: string[] = [];
    const lazy = [...tensors].map(([name, tensor]) => {
      const read = async () => {
        reads.push(name);
        return tensor;
      };
      return [name, { dtype: tensor.dtype, shape: tensor.shape, read }] as const;
    });
    await streamSafetensors(join(folder, "a.safetensors"), new Map(lazy));
    expect(await readFile(join(folder, "a.safetensors"))).toEqual(bytesOf(tensors));
    expect(reads).toEqual(["wide", "a", "b"]);
    await rm(folder, { recursive: true });
  });

  test("refuses a tensor that is not what was announced, and leaves no file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tptt-"));
    const read = async () => Tensor.f32([2], [1, 2]);
    const lazy = new Map([["a", { dtype: "f32", shape: [3], read } as const]]);
    await expect(streamSafetensors(join(folder, "a.safetensors"), lazy)).rejects.toThrow(
      "streamSafetensors: a is f32 [2], not f32 [3]",
    );
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });
});

describe("a corrupt file is refused with its name and the place", () => {
  const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
    dtype: "F32",
    shape,
    data_offsets: [begin, end],
  });

  const cases: [string, Uint8Array, string][] = [
    ["no length", new Uint8Array(5), "the header's length needs bytes 0..8, the file has 5"],
    [
      "huge length",
      fileOf({}, 0, 2n ** 63n),
      "m.safetensors: header: claims 9223372036854775808 bytes, expected at most 100000000",
    ],
    [
      "length past the end",
      fileOf({}, 0, 50n),
      "the header needs bytes 8..58, the file has 10; it is truncated or corrupt",
    ],
    ["wrong JSON", fileOf('{"a": ', 0), "m.safetensors: header: is not valid JSON"],
    [
      "text that is not UTF-8",
      Buffer.from("\x02\0\0\0\0\0\0\0\xff\xfe", "latin1"),
      "header: is not UTF-8 text",
    ],
    ["another kind of JSON", fileOf([], 0), "header: is not a JSON object"],
    ["an entry that is no object", fileOf({ a: 3 }, 0), "m.safetensors: tensor a: is 3; "],
    [
      "an unknown dtype",
      fileOf({ a: { ...f32(0, 4), dtype: "F8_E4M3" } }, 4),
      'tensor a: dtype: is "F8_E4M3"; Invalid option: expected one of "F64"|"F32"',
    ],
    [
      "a dtype out of the prototype",
      fileOf({ a: { ...f32(0, 4), dtype: "constructor" } }, 4),
      'tensor a: dtype: is "constructor"',
    ],
    ["no shape", fileOf({ a: { dtype: "F32", data_offsets: [0, 4] } }, 4), "tensor a: shape: is missing"],
    ["a negative size", fileOf({ a: f32(0, 4, [-1]) }, 4), "tensor a: shape.0: is -1"],
    ["a size that is no integer", fileOf({ a: f32(0, 4, [0.5]) }, 4), "tensor a: shape.0: is 0.5"],
    [
      "offsets that are no pair",
      fileOf({ a: { ...f32(0, 4), data_offsets: [0] } }, 4),
      "tensor a: data_offsets: is [0]",
    ],
    [
      "a shape of another length",
      fileOf({ a: f32(0, 8, [3]) }, 8),
      "tensor a: [3] F32 needs 12 bytes, its data_offsets give 8",
    ],
    [
      "a shape past every memory",
      fileOf({ a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4),
      "tensor a: [1099511627776,1099511627776] F32 needs 4.8",
    ],
    [
      "offsets the wrong way round",
      fileOf({ a: f32(8, 4, [1]) }, 8),
      "tensor a: [1] F32 needs 4 bytes, its data_offsets give -4",
    ],
    [
      "data cut short",
      fileOf({ a: f32(0, 400) }, 8),
      "tensor a: needs bytes 66..466, the file has 74; it is truncated",
    ],
    ["an overlap", fileOf({ a: f32(0, 8), b: f32(4, 12) }, 12), "tensor b: overlaps a; the file is corrupt"],
    ["a hole", fileOf({ a: f32(0, 4), b: f32(8, 12) }, 12), "tensor b: leaves 4 unused bytes after a"],
    ["bytes after the last tensor", fileOf({ a: f32(0, 4) }, 9), "m.safetensors: has 5 bytes after a"],
    [
      "metadata that is no text",
      fileOf({ __metadata__: { n: 1 } }, 0),
      "m.safetensors: __metadata__: n: is 1",
    ],
    [
      "metadata that is no object",
      fileOf({ __metadata__: ["n"] }, 0),
      'm.safetensors: __metadata__: is ["n"]; expected an object',
    ],
  ];

  test.each(cases)("%s", async (_, bytes, message) => {
    const failed = await open(bytes).catch((error) => error);
    expect(failed).toBeInstanceOf(InputError);
    expect(failed.message).toContain(message);
    expect(failed.message).toContain("m.safetensors");
  });

  test("a tensor that is not there, with those that are", async () => {
    const file = await open(bytesOf(new Map([["a", Tensor.scalar(1)]])));
    await expect(file.read("b")).rejects.toThrow(
      "m.safetensors: tensor b: is missing; the file holds 1 tensors: a",
    );
  });

  test("a file that does not exist, and a folder", async () => {
    await expect(openSafetensorsFile("nowhere.safetensors")).rejects.toThrow(
      "nowhere.safetensors: does not exist",
    );
    await expect(openSafetensorsFile("test")).rejects.toThrow("test: is not a regular file");
  });
});
