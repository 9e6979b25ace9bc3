import { InputError } from "../../errors.js";
import type { ByteSource } from "../../io/byte-source.js";
import type { Row } from "./row-file.js";

/** Bytes that are read at a time. */
const chunkSize = 2 ** 20;

/** A row has no more bytes: a quote or bracket that is never closed would take the rest of the file with it. */
const largestRow = 64 * 2 ** 20;

/** Rows at the front of what has been read, and how many bytes they take with what lies between them. */
export interface Taken {
  readonly rows: readonly Row[];
  readonly taken: number;
}

/**
 * Reads a file from front to back and holds no more of it than a chunk and the row that reaches over its end.
 *
 * @param take finds the whole rows in bytes that begin at `offset`; `atEnd` tells that no more follow.
 * @throws InputError when a row is larger than 64 MiB.
 */
export async function* readThrough(
  source: ByteSource,
  take: (bytes: Buffer, offset: number, atEnd: boolean) => Taken,
): AsyncGenerator<readonly Row[]> {
  let left: Buffer = Buffer.alloc(0);
  let offset = 0;
  while (offset + left.length < source.size) {
    const from = offset + left.length;
    const chunk = Buffer.from((await source.read(from, Math.min(chunkSize, source.size - from))).buffer);
    const bytes = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
    const { rows, taken } = take(bytes, offset, from + chunk.length === source.size);
    if (rows.length > 0) yield rows;
    left = bytes.subarray(taken);
    offset += taken;
    if (left.length > largestRow) {
      throw new InputError(
        `${source.name}: byte ${offset}`,
        `begins a row of more than ${largestRow} bytes; is a quote or a bracket not closed?`,
      );
    }
  }
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** How many bytes the byte order mark takes at the start of a file. */
export const markSize = (bytes: Buffer, offset: number): number =>
  offset === 0 && bytes.subarray(0, 3).equals(byteOrderMark) ? 3 : 0;

/** Whether bytes are white space alone. */
export const isBlank = (bytes: Uint8Array): boolean =>
  bytes.length === 0 || (bytes[0]! <= 0x20 && bytes.every((byte) => byte <= 0x20));

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of UTF-8 bytes. @throws InputError when they are something else. */
export function textOf(bytes: Uint8Array, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new InputError(where, "is not UTF-8 text; save the file as UTF-8", { cause: error });
  }
}
