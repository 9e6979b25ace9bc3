import { unpackLz4 } from "./lz4.js";

/** A file, as a shard tells what it is made of. */
interface XetFile {
  /** The SHA-256 of its content. */
  readonly sha256: string;
  /** Chunks of xorbs, one run after the other. */
  readonly runs: readonly { readonly xorb: string; readonly start: number; readonly end: number }[];
}

const headerLength = 48;
const entryLength = 48;
const [hasVerification, hasMetadata] = [31, 30];

/** Four numbers of 64 bits, low bytes first. */
function hashAt(bytes: Uint8Array, at: number): string {
  const words = [0, 8, 16, 24].map((word) => bytes.slice(at + word, at + word + 8).reverse());
  return words.map((word) => Buffer.from(word).toString("hex")).join("");
}

/** The files that a shard lists (https://huggingface.co/docs/xet/en/shard). */
export function filesOfShard(shard: Uint8Array): XetFile[] {
  const view = new DataView(shard.buffer, shard.byteOffset, shard.byteLength);
  const files: XetFile[] = [];
  for (let at = headerLength; !/^f+$/.test(hashAt(shard, at)); ) {
    const flags = view.getUint32(at + 32, true);
    const count = view.getUint32(at + 36, true);
    at += entryLength;
    const runs = Array.from({ length: count }, (_, i) => {
      const run = at + i * entryLength;
      return {
        xorb: hashAt(shard, run),
        start: view.getUint32(run + 40, true),
        end: view.getUint32(run + 44, true),
      };
    });
    at += count * entryLength * (1 + ((flags >>> hasVerification) & 1));
    if (((flags >>> hasMetadata) & 1) === 0) throw new Error("a file without its SHA-256");
    files.push({ sha256: hashAt(shard, at), runs });
    at += entryLength;
  }
  return files;
}

/** The chunks of a xorb, unpacked (https://huggingface.co/docs/xet/en/xorb). */
export function chunksOfXorb(xorb: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const length = (at: number) => xorb[at]! | (xorb[at + 1]! << 8) | (xorb[at + 2]! << 16);
  for (let at = 0; at < xorb.length; ) {
    const [packed, scheme, size] = [length(at + 1), xorb[at + 4]!, length(at + 5)];
    const data = xorb.subarray(at + 8, at + 8 + packed);
    chunks.push(scheme === 0 ? data : scheme === 1 ? unpackLz4(data, size) : regroup(unpackLz4(data, size)));
    at += 8 + packed;
  }
  return chunks;
}

/** First bytes of all groups of four, then the second ones, .. : back into their order. */
function regroup(bytes: Uint8Array): Uint8Array {
  const order = [0, 1, 2, 3].flatMap((first) =>
    Array.from({ length: Math.ceil((bytes.length - first) / 4) }, (_, i) => first + 4 * i),
  );
  const out = new Uint8Array(bytes.length);
  for (const [from, to] of order.entries()) out[to] = bytes[from]!;
  return out;
}
