import { InputError } from "../../errors.js";
import type { ByteSource } from "../../io/byte-source.js";
import { parseJson } from "../../io/json-text.js";
import { markSize, readThrough, type Taken, textOf } from "./read-through.js";
import type { Row, RowFile } from "./row-file.js";

/*
 * No library tells where the items of an array lie, so the cuts are made here: outside of strings, brackets are counted.
 * What lies between two cuts is parsed, and thereby checked, by JSON.parse.
 */

const [space, quote, comma, backslash, lineFeed] = [0x20, 0x22, 0x2c, 0x5c, 0x0a];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/** The items of a JSON array. */
export function openJsonArray(source: ByteSource): RowFile {
  const path = source.name;
  return {
    path,
    scan: () => {
      const cutter = new ItemCutter(path);
      return readThrough(source, (bytes, offset, atEnd) => cutter.take(bytes, offset, atEnd));
    },
    read: async (offset, size) => parseItem(await source.read(offset, size), path),
    close: () => source.close(),
  };
}

const parseItem = (bytes: Uint8Array, where: string): unknown =>
  parseJson(textOf(bytes, where), where, "mend it");

class ItemCutter {
  readonly #path: string;
  #line = 1;
  #items = 0;
  #place: "before" | "inside" | "after" = "before";

  constructor(path: string) {
    this.#path = path;
  }

  take(bytes: Buffer, offset: number, atEnd: boolean): Taken {
    const rows: Row[] = [];
    let at = markSize(bytes, offset);
    for (;;) {
      at = this.#skipSpace(bytes, at);
      if (at === bytes.length) break;
      if (this.#place === "after") throw this.#broken("has more after the end of the array");
      if (this.#place === "before") {
        if (bytes[at] !== openBracket) throw this.#broken("holds no array, expected an array of records");
        this.#place = "inside";
        at++;
        continue;
      }
      if (bytes[at] === closeBracket && this.#items === 0) {
        this.#place = "after";
        at++;
        continue;
      }
      const end = endOfItem(bytes, at);
      if (end === bytes.length) {
        if (atEnd) throw this.#broken("ends inside the array; is it cut off?");
        return { rows, taken: at };
      }
      rows.push(this.#row(bytes.subarray(at, end), offset + at));
      if (bytes[end] === closeBracket) this.#place = "after";
      at = end + 1;
    }
    if (atEnd && this.#place === "inside") throw this.#broken("ends inside the array; is it cut off?");
    return { rows, taken: at };
  }

  #row(content: Buffer, offset: number): Row {
    const where = `${this.#path}:${this.#line}: record ${this.#items++}`;
    for (const byte of content) if (byte === lineFeed) this.#line++;
    return { where, offset, size: content.length, value: () => parseItem(content, where) };
  }

  /** The next byte that is no white space. */
  #skipSpace(bytes: Buffer, from: number): number {
    let at = from;
    for (; at < bytes.length && bytes[at]! <= space; at++) if (bytes[at] === lineFeed) this.#line++;
    return at;
  }

  #broken(problem: string): InputError {
    return new InputError(`${this.#path}:${this.#line}`, problem);
  }
}

/** Where an item ends: at the comma or bracket after it, or at the end of the bytes when it goes on. */
function endOfItem(bytes: Buffer, from: number): number {
  let depth = 0;
  let inString = false;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (inString) {
      if (byte === backslash) at++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === openBrace || byte === openBracket) depth++;
    else if (depth === 0 && (byte === comma || byte === closeBracket)) return at;
    else if (byte === closeBrace || byte === closeBracket) depth--;
  }
  return bytes.length;
}
