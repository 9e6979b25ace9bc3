import {
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  toJson,
} from "hyparquet";
import { InputError } from "../../errors.js";
import type { ByteSource } from "../../io/byte-source.js";
import { contained, handOver } from "./contained.js";
import { boundedCompressors } from "./decompress.js";
import { checkFooter, checkPages } from "./parquet-checks.js";
import type { Row, RowFile } from "./row-file.js";
import { Spool } from "./spool.js";

/** A group of rows is decoded at once. */
const largestGroup = 2 ** 30;

/** The library's own would drop a byte order mark at the start of each text. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const stringFromBytes = (bytes?: Uint8Array): string | undefined => bytes && utf8.decode(bytes);

/**
 * The rows of a Parquet file. A row cannot be read without its group, of a thousand rows or a million: the scan writes
 * the rows into a temporary file, from which any of them is read later.
 *
 * @param columns those that are looked at, if the file has them.
 */
export async function openParquet(source: ByteSource, columns: readonly string[]): Promise<RowFile> {
  const path = source.name;
  const spool = await Spool.create();
  let spooled = false;
  return {
    path,
    scan: () => {
      const into = spooled ? undefined : spool;
      spooled = true;
      return scan(source, columns, into);
    },
    read: async (offset, size) => JSON.parse(Buffer.from(await spool.read(offset, size)).toString()),
    async close() {
      await spool.close();
      await source.close();
    },
  };
}

/** @param spool where the rows go; without one they are not to be read later. */
async function* scan(
  source: ByteSource,
  wanted: readonly string[],
  spool: Spool | undefined,
): AsyncGenerator<Row[]> {
  const path = source.name;
  const pending: Promise<unknown>[] = [];
  /** What is looked at before the library does: at first the metadata, then the pages of a group. */
  let check: (bytes: ArrayBuffer, start: number) => void = checkFooter;
  const file = {
    byteLength: source.size,
    slice: (start: number, end = source.size) => {
      const read = async () => {
        const { buffer } = await source.read(start, end - start);
        check(buffer, start);
        return buffer;
      };
      const bytes = handOver(read());
      // The library asks for several ranges at once, and forgets the others when one fails.
      bytes.catch(() => {});
      pending.push(bytes);
      return bytes;
    },
  };
  const attempt = async <T>(read: () => Promise<T>): Promise<T> => {
    try {
      return await contained(read, () => pending.splice(0));
    } catch (error) {
      if (error instanceof InputError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new InputError(path, `cannot be read as Parquet (${reason}); is it whole?`, { cause: error });
    }
  };
  const metadata = await attempt(() => parquetMetadataAsync(file));
  const columns = await attempt(async () => columnsOf(metadata, wanted));
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    if (group.total_byte_size > largestGroup) {
      throw new InputError(
        `${path}: rows ${rowStart} to ${rowEnd - 1}`,
        `are one group of ${group.total_byte_size} bytes, expected at most ${largestGroup}; write the file with smaller row groups`,
      );
    }
    check = (bytes, start) => checkPages(bytes, start, group);
    const values = await attempt(() =>
      parquetReadObjects({
        file,
        metadata,
        columns,
        rowStart,
        rowEnd,
        compressors: boundedCompressors,
        parsers: { stringFromBytes },
      }),
    );
    const lines = values.map((value) => Buffer.from(JSON.stringify(toJson(value))));
    let offset = (await spool?.append(Buffer.concat(lines))) ?? 0;
    yield lines.map(({ length: size }, i): Row => {
      const row = { where: `${path}: row ${rowStart + i}`, offset, size, value: () => toJson(values[i]) };
      offset += size;
      return row;
    });
    rowStart = rowEnd;
  }
}

/** The columns that are wanted; all when there is none of them, so that it can be told what there is. */
function columnsOf(metadata: FileMetaData, wanted: readonly string[]): string[] {
  const present = parquetSchema(metadata).children.map(({ element }) => element.name);
  const found = present.filter((name) => wanted.includes(name));
  return found.length > 0 ? found : present;
}
