import { ggmlTypes } from "../../src/io/gguf-quants.js";

/** GGUF value types by ggml's number. */
const valueTypes = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  u64: 10,
  i64: 11,
  f64: 12,
};

type ScalarType = keyof typeof valueTypes;

/** A metadata value and its type; an array for `[type]`. */
export type GgufField = [ScalarType, unknown] | [[ScalarType], readonly unknown[]];

/** A tensor to be written; what is not given is right. */
export interface GgufTensorSpec {
  /** As in PyTorch: [out, in]. */
  shape: number[];
  dtype: keyof typeof ggmlTypes;
  data: Uint8Array;
  /** Instead of the right one. */
  offset?: number;
  /** Instead of the dtype's. */
  typeId?: number;
}

/** The bytes of a GGUF file, right or with the lies that `overrides` tell. */
export function ggufBytes(
  metadata: Record<string, GgufField>,
  tensors: Record<string, GgufTensorSpec> = {},
  overrides: { version?: number; tensorCount?: bigint; metadataCount?: bigint; alignment?: number } = {},
): Buffer {
  const { version = 3, alignment = 32 } = overrides;
  const names = Object.keys(tensors);
  const parts = [
    Buffer.from("GGUF"),
    scalar("u32", version),
    scalar("u64", overrides.tensorCount ?? names.length),
    scalar("u64", overrides.metadataCount ?? Object.keys(metadata).length),
  ];
  for (const [key, [type, value]] of Object.entries(metadata)) {
    parts.push(scalar("string", key));
    if (Array.isArray(type)) {
      const items = value as unknown[];
      parts.push(scalar("u32", 9), scalar("u32", valueTypes[type[0]]), scalar("u64", items.length));
      for (const item of items) parts.push(scalar(type[0], item));
    } else {
      parts.push(scalar("u32", valueTypes[type]), scalar(type, value));
    }
  }
  let offset = 0;
  const data: Buffer[] = [];
  for (const name of names) {
    const tensor = tensors[name]!;
    parts.push(scalar("string", name), scalar("u32", tensor.shape.length));
    for (const n of tensor.shape.toReversed()) parts.push(scalar("u64", n));
    parts.push(
      scalar("u32", tensor.typeId ?? ggmlTypes[tensor.dtype].id),
      scalar("u64", tensor.offset ?? offset),
    );
    data.push(padded(tensor.data, alignment));
    offset += data.at(-1)!.length;
  }
  return Buffer.concat([padded(Buffer.concat(parts), alignment), ...data]);
}

function padded(bytes: Uint8Array, alignment: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & (alignment - 1))]);
}

function scalar(type: ScalarType, value: unknown): Buffer {
  const bytes = Buffer.alloc(8);
  switch (type) {
    case "u8":
    case "bool":
      bytes.writeUInt8(Number(value));
      return bytes.subarray(0, 1);
    case "i8":
      bytes.writeInt8(Number(value));
      return bytes.subarray(0, 1);
    case "u16":
      bytes.writeUInt16LE(Number(value));
      return bytes.subarray(0, 2);
    case "i16":
      bytes.writeInt16LE(Number(value));
      return bytes.subarray(0, 2);
    case "u32":
      bytes.writeUInt32LE(Number(value));
      return bytes.subarray(0, 4);
    case "i32":
      bytes.writeInt32LE(Number(value));
      return bytes.subarray(0, 4);
    case "f32":
      bytes.writeFloatLE(Number(value));
      return bytes.subarray(0, 4);
    case "u64":
      bytes.writeBigUInt64LE(BigInt(value as number));
      return bytes;
    case "i64":
      bytes.writeBigInt64LE(BigInt(value as number));
      return bytes;
    case "f64":
      bytes.writeDoubleLE(Number(value));
      return bytes;
    case "string": {
      const text = Buffer.from(String(value));
      return Buffer.concat([scalar("u64", text.length), text]);
    }
  }
}
