import { InputError } from "../errors.js";
import type { ByteSource } from "./byte-source.js";

/** A value of a GGUF file's metadata; 64-bit integers are numbers where a number is exact. */
export type GgufValue = string | number | bigint | boolean | readonly GgufValue[];

/** How deep arrays may lie in arrays; real files have none in another. */
const maxDepth = 3;

/** What was read of the file so far ends before the value does. */
export class NeedMoreBytes extends Error {
  readonly what: string;

  constructor(what: string) {
    super(what);
    this.what = what;
  }
}

const valueTypes = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
];
const valueBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];

/** Reads values one after the other from the start of a file. `what` names the field in errors. */
export class Cursor {
  at = 0;
  what = "the header";
  readonly #source: ByteSource;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  // A byte order mark is part of a token, never to be dropped; a token may also be half a character.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(source: ByteSource, bytes: Uint8Array) {
    this.#source = source;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  fail(problem: string): InputError {
    return new InputError(`${this.#source.name}: ${this.what}`, problem);
  }

  /** Moves over `length` bytes and returns where they start. */
  #take(length: number): number {
    const start = this.at;
    if (length > this.#source.size - start) {
      throw this.fail(
        `needs ${length} bytes at offset ${start}, the file has ${this.#source.size}; it is truncated or corrupt, download it again`,
      );
    }
    if (start + length > this.#bytes.length) throw new NeedMoreBytes(this.what);
    this.at = start + length;
    return start;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** An unsigned 64-bit count, length or offset. */
  size(limit: number, unit: string): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(limit)) throw this.fail(`claims ${value} ${unit}, expected at most ${limit}`);
    return Number(value);
  }

  string(): string {
    const length = this.size(this.#source.size, "bytes of text");
    const start = this.#take(length);
    return this.#decoder.decode(this.#bytes.subarray(start, start + length));
  }

  value(type: number, depth = 0): GgufValue {
    switch (type) {
      case 0:
        return this.#view.getUint8(this.#take(1));
      case 1:
        return this.#view.getInt8(this.#take(1));
      case 2:
        return this.#view.getUint16(this.#take(2), true);
      case 3:
        return this.#view.getInt16(this.#take(2), true);
      case 4:
        return this.u32();
      case 5:
        return this.#view.getInt32(this.#take(4), true);
      case 6:
        return this.#view.getFloat32(this.#take(4), true);
      case 7:
        return this.#view.getUint8(this.#take(1)) !== 0;
      case 8:
        return this.string();
      case 9:
        return this.#array(depth);
      case 10:
        return exactNumber(this.#view.getBigUint64(this.#take(8), true));
      case 11:
        return exactNumber(this.#view.getBigInt64(this.#take(8), true));
      case 12:
        return this.#view.getFloat64(this.#take(8), true);
      default:
        throw this.fail(
          `has the value type ${type}, expected 0..12 (${valueTypes.join(", ")}); the file is corrupt`,
        );
    }
  }

  #array(depth: number): GgufValue[] {
    if (depth >= maxDepth) throw this.fail(`nests arrays deeper than ${maxDepth}`);
    const type = this.u32();
    const least = valueBytes[type];
    if (least === undefined)
      throw this.fail(`has the array type ${type}, expected 0..12; the file is corrupt`);
    const length = this.size(Math.floor((this.#source.size - this.at) / least), "array elements");
    // Not before all of it can be there: a length alone must not allocate.
    if (this.at + length * least > this.#bytes.length) throw new NeedMoreBytes(this.what);
    const values = new Array<GgufValue>(length);
    for (let i = 0; i < length; i++) values[i] = this.value(type, depth + 1);
    return values;
  }
}

function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
