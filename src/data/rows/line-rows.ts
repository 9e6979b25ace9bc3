import type { ByteSource } from "../../io/byte-source.js";
import { parseJson } from "../../io/json-text.js";
import { isBlank, markSize, readThrough, textOf } from "./read-through.js";
import type { Row, RowFile } from "./row-file.js";

const lineFeed = 10;

/** JSON lines: a value a line; blank lines are passed over. */
export function openJsonLines(source: ByteSource): RowFile {
  const path = source.name;
  return {
    path,
    scan: () => {
      let line = 0;
      return readThrough(source, (bytes, offset, atEnd) => {
        const rows: Row[] = [];
        let at = markSize(bytes, offset);
        while (at < bytes.length) {
          const feed = bytes.indexOf(lineFeed, at);
          if (feed < 0 && !atEnd) break;
          const end = feed < 0 ? bytes.length : feed;
          const where = `${path}:${++line}`;
          const content = bytes.subarray(at, end);
          if (!isBlank(content)) {
            const value = () => parseLine(content, where);
            rows.push({ where, offset: offset + at, size: content.length, value });
          }
          at = feed < 0 ? end : feed + 1;
        }
        return { rows, taken: at };
      });
    },
    read: async (offset, size) => parseLine(await source.read(offset, size), path),
    close: () => source.close(),
  };
}

const parseLine = (bytes: Uint8Array, where: string): unknown =>
  parseJson(textOf(bytes, where), where, "each line holds one object");
