import Papa from "papaparse";
import { InputError } from "../../errors.js";
import type { ByteSource } from "../../io/byte-source.js";
import type { JsonObject } from "../../io/json-file.js";
import { markSize, readThrough, textOf } from "./read-through.js";
import type { Row, RowFile } from "./row-file.js";

const [quote, lineFeed, carriageReturn] = [0x22, 0x0a, 0x0d];

/**
 * Comma or tab separated values (RFC 4180); the first row names the columns. Rows are cut here, for their places are
 * needed; the library parses each.
 */
export function openCsv(source: ByteSource, delimiter: "," | "\t"): RowFile {
  const path = source.name;
  let header: readonly string[] | undefined;
  const fieldsOf = (bytes: Uint8Array, where: string): readonly string[] => {
    const text = textOf(bytes, where);
    // The library takes a byte order mark away; that of the file was passed over, and any other is text.
    const kept = text.startsWith("\ufeff") ? `\ufeff${text}` : text;
    const { data, errors } = Papa.parse<string[]>(kept, { delimiter, newline: "\n" });
    if (errors[0]) throw new InputError(where, `${errors[0].message}; mend its quotes`);
    return data[0] ?? [];
  };
  const parse = (bytes: Uint8Array, where: string): JsonObject => {
    const fields = fieldsOf(bytes, where);
    if (fields.length !== header!.length) {
      throw new InputError(
        where,
        `has ${fields.length} fields, the header has ${header!.length}; quote fields that hold a delimiter`,
      );
    }
    return Object.fromEntries(header!.map((name, column) => [name, fields[column]]));
  };
  return {
    path,
    scan: () => {
      let line = 1;
      let named = false;
      return readThrough(source, (bytes, offset, atEnd) => {
        const rows: Row[] = [];
        let at = markSize(bytes, offset);
        while (at < bytes.length) {
          const { end, lines } = endOfRow(bytes, at, delimiter.charCodeAt(0));
          if (end === bytes.length && !atEnd) break;
          const where = `${path}:${line}`;
          const content = withoutReturn(bytes.subarray(at, end));
          if (content.length > 0 && !named) {
            header = fieldsOf(content, where);
            named = true;
          } else if (content.length > 0) {
            const value = () => parse(content, where);
            rows.push({ where, offset: offset + at, size: content.length, value });
          }
          line += lines + 1;
          at = end + 1;
        }
        return { rows, taken: Math.min(at, bytes.length) };
      });
    },
    read: async (offset, size) => parse(await source.read(offset, size), path),
    close: () => source.close(),
  };
}

const withoutReturn = (bytes: Buffer): Buffer =>
  bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes;

/** The line feed that ends a row (or the end of the bytes), and how many lie inside it, in quotes. */
function endOfRow(bytes: Buffer, from: number, delimiter: number): { end: number; lines: number } {
  let lines = 0;
  let quoted = false;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (quoted) {
      if (byte === lineFeed) lines++;
      else if (byte === quote && bytes[at + 1] === quote) at++;
      else if (byte === quote) quoted = false;
    } else if (byte === lineFeed) return { end: at, lines };
    // A quote within a field that has not begun with one is a letter.
    else if (byte === quote && (at === from || bytes[at - 1] === delimiter)) quoted = true;
  }
  return { end: bytes.length, lines };
}
