import type { ByteSource } from "../../io/byte-source.js";
import type { DocumentRecord } from "../record.js";
import { isBlank, markSize, readThrough, textOf } from "./read-through.js";
import type { Row, RowFile } from "./row-file.js";

/** About the size of a piece: small enough to be tokenized anew whenever a window of it is read. */
const pieceSize = 32 * 1024;
const lineFeed = 10;
const space = 32;

/** A text of any length: one document, in pieces that end with a line (or a word, where lines are longer). */
export function openText(source: ByteSource): RowFile {
  const path = source.name;
  const parse = (bytes: Uint8Array, offset: number, where: string): DocumentRecord => ({
    document: textOf(bytes, where),
    ...(offset + bytes.length < source.size ? { continues: true } : {}),
  });
  return {
    path,
    isText: true,
    scan: () => {
      let line = 1;
      return readThrough(source, (bytes, offset, atEnd) => {
        const rows: Row[] = [];
        let at = markSize(bytes, offset);
        while (at < bytes.length && (atEnd || bytes.length - at >= pieceSize)) {
          const content = bytes.subarray(at, endOfPiece(bytes, at));
          const where = `${path}:${line}`;
          const place = offset + at;
          const value = () => parse(content, place, where);
          if (!isBlank(content)) rows.push({ where, offset: place, size: content.length, value });
          for (const byte of content) if (byte === lineFeed) line++;
          at += content.length;
        }
        return { rows, taken: at };
      });
    },
    read: async (offset, size) => parse(await source.read(offset, size), offset, path),
    close: () => source.close(),
  };
}

/** After the last line feed within the size of a piece, else the last space, else the last whole character. */
function endOfPiece(bytes: Buffer, from: number): number {
  if (bytes.length - from <= pieceSize) return bytes.length;
  const piece = bytes.subarray(from, from + pieceSize);
  for (const cut of [lineFeed, space]) {
    const last = piece.lastIndexOf(cut);
    if (last >= 0) return from + last + 1;
  }
  let end = from + pieceSize;
  while (end > from + 1 && (bytes[end]! & 0xc0) === 0x80) end--;
  return end;
}
