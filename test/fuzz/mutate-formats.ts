import type { Random } from "../../src/random.js";
import { type Mutation, mutateBytes, setInteger } from "./mutate-bytes.js";
import { mutateJson } from "./mutate-json.js";

/** Changes a safetensors file: its header's fields, the header's length, or its bytes. */
export const mutateSafetensors: Mutation = (bytes, random) => {
  switch (random.below(4)) {
    case 0:
      return mutateBytes(bytes, random);
    case 1:
      return setInteger(bytes, 0, 8, random);
    default: {
      const end = 8 + Number(bytes.readBigUInt64LE(0));
      const header = mutateJson(bytes.subarray(8, end), random);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      return Buffer.concat([length, header, bytes.subarray(end)]);
    }
  }
};

/** A count, a length, a type or an offset in a GGUF header. */
interface Field {
  readonly offset: number;
  readonly size: 4 | 8;
}

const valueSizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** Where the numbers lie that a GGUF header (of a sound file) is read by. */
function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 4;
  const take = (size: 4 | 8): number => {
    fields.push({ offset: at, size });
    const value = size === 4 ? bytes.readUInt32LE(at) : Number(bytes.readBigUInt64LE(at));
    at += size;
    return value;
  };
  const skipText = (): void => {
    const length = take(8);
    at += length;
  };
  const skipValue = (type: number): void => {
    if (type === 8) skipText();
    else if (type === 9) {
      const inner = take(4);
      const length = take(8);
      if (inner === 8) {
        // One length in sixteen of a long vocabulary stands for all.
        for (let i = 0; i < length; i++) {
          if (i % 16 === 0) skipText();
          else at += 8 + Number(bytes.readBigUInt64LE(at));
        }
      } else at += length * valueSizes[inner]!;
    } else {
      if (valueSizes[type] === 4 || valueSizes[type] === 8)
        fields.push({ offset: at, size: valueSizes[type] });
      at += valueSizes[type]!;
    }
  };
  take(4);
  const tensors = take(8);
  const metadata = take(8);
  for (let i = 0; i < metadata; i++) {
    skipText();
    skipValue(take(4));
  }
  for (let i = 0; i < tensors; i++) {
    skipText();
    const dimensions = take(4);
    for (let d = 0; d < dimensions; d++) take(8);
    take(4);
    take(8);
  }
  return fields;
}

/** Changes a GGUF file: a count, length, type or offset of its header, the bytes of the header, or any. */
export const mutateGguf: Mutation = (bytes, random) => {
  const fields = fieldsOf(bytes);
  const headerEnd = fields.at(-1)!.offset + 8;
  switch (random.below(4)) {
    case 0:
      return mutateBytes(bytes, random);
    case 1:
      return Buffer.concat([mutateBytes(bytes.subarray(0, headerEnd), random), bytes.subarray(headerEnd)]);
    default: {
      let changed = bytes;
      for (let n = random.choice([1, 1, 2, 3]); n > 0; n--) {
        const { offset, size } = random.choice(fields);
        changed = setInteger(changed, offset, size, random);
      }
      return changed;
    }
  }
};

/** Changes a Parquet file: its footer (metadata, their length), the headers of its pages, or any bytes. */
export const mutateParquet: Mutation = (bytes, random) => {
  const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  const within = (start: number, end: number) =>
    Buffer.concat([
      bytes.subarray(0, start),
      mutateBytes(bytes.subarray(start, end), random),
      bytes.subarray(end),
    ]);
  switch (random.below(5)) {
    case 0:
      return mutateBytes(bytes, random);
    case 1:
      return setInteger(bytes, bytes.length - 8, 4, random);
    case 2:
      return setVarint(bytes, footer, random);
    case 3:
      return within(4, footer);
    default:
      return within(footer, bytes.length - 8);
  }
};

/** A number of the footer, in Thrift's form of seven bits a byte, set to a very large one. */
function setVarint(bytes: Buffer, footer: number, random: Random): Buffer {
  const at = footer + random.below(bytes.length - 8 - footer);
  const length = random.choice([1, 4, 5, 9, 10]);
  const large = Buffer.alloc(length, 0xff);
  large[length - 1] = random.choice([0x01, 0x0f, 0x7f]);
  const end = bytes.subarray(at + 1, bytes.length - 8);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(at - footer + length + end.length);
  return Buffer.concat([bytes.subarray(0, at), large, end, size, Buffer.from("PAR1")]);
}
