import { createHash } from "node:crypto";
import { InputError } from "../errors.js";
import { type DataFile, nameOfDataFile } from "./data-file.js";
import { datasetFiles, openRows } from "./dataset-files.js";
import type { HubDataOptions } from "./hub-dataset.js";
import {
  columnsRead,
  type DataRecord,
  type DocumentRecord,
  parseRecord,
  type RecordOptions,
} from "./record.js";
import type { RowFile } from "./rows/row-file.js";

/** How a data set is read. */
export interface ReadOptions extends RecordOptions, HubDataOptions {
  /** Leaves out rows that cannot be read, instead of ending with the first. */
  readonly skipMalformed?: boolean;
  /** Told of every row that is left out, and why. */
  readonly onMalformed?: (problem: string) => void;
  /** Told how many records were found, some at a time. */
  readonly onProgress?: (records: number) => void;
}

/** Where the records of a file lie. */
interface IndexedFile {
  readonly rows: RowFile;
  /** The number of the file's first record among all. */
  readonly first: number;
  readonly offsets: number[];
  /** The rows that were left out, by their numbers among all of the file. */
  readonly leftOut: number[];
  readonly sizes: number[];
}

/**
 * The records of files. Each row is read and checked once when they are opened; what stays in memory is where it lies,
 * and records are read from there.
 */
export class Records {
  readonly #files: readonly IndexedFile[];
  readonly #options: RecordOptions;
  readonly length: number;
  /** Rows that were left out. */
  readonly malformed: number;
  /** Changes with any record, or their order. */
  readonly fingerprint: string;

  private constructor(
    files: readonly IndexedFile[],
    options: RecordOptions,
    told: { readonly malformed: number; readonly fingerprint: string },
  ) {
    this.#files = files;
    this.#options = options;
    this.length = countOf(files);
    this.malformed = told.malformed;
    this.fingerprint = told.fingerprint;
  }

  /**
   * @param names files, folders, patterns, or data sets of the hub.
   * @throws InputError naming the file, the line or row, and the field, when one is missing, empty or malformed.
   */
  static async open(names: readonly string[], options: ReadOptions = {}): Promise<Records> {
    const { skipMalformed = false, onMalformed, onProgress } = options;
    const files: IndexedFile[] = [];
    const hash = createHash("sha256");
    let malformed = 0;
    const keep = (error: unknown) => {
      if (!(skipMalformed && error instanceof InputError)) throw error;
      malformed++;
      onMalformed?.(error.message);
    };
    try {
      for (const path of await datasetFiles(names, options)) {
        const rows = await openRows(path, columnsRead(options));
        const first = countOf(files);
        const file: IndexedFile = { rows, first, offsets: [], leftOut: [], sizes: [] };
        files.push(file);
        const before = malformed;
        for await (const some of rows.scan()) {
          for (const row of some) {
            try {
              hash.update(textOf(recordOf(rows, row.where, row.value(), options), row.where));
            } catch (error) {
              keep(error);
              file.leftOut.push(file.offsets.length + file.leftOut.length);
              continue;
            }
            file.offsets.push(row.offset);
            file.sizes.push(row.size);
          }
          onProgress?.(first + file.offsets.length);
        }
        if (file.offsets.length === 0 && malformed === before) {
          keep(new InputError(path, "is empty, expected at least one record"));
        }
      }
      if (countOf(files) === 0) throw new InputError(names.join(", "), "has no record that can be read");
      return new Records(files, options, { malformed, fingerprint: hash.digest("hex").slice(0, 16) });
    } catch (error) {
      await closeAll(files);
      throw error;
    }
  }

  /** The files, in their order. */
  get files(): readonly DataFile[] {
    return this.#files.map(({ rows, offsets, leftOut }) => ({
      ...nameOfDataFile(rows.path),
      records: offsets.length,
      malformed: leftOut.length,
    }));
  }

  /** Whether some are pieces of texts, which make as many examples as they fill. */
  get hasTexts(): boolean {
    return this.#files.some(({ rows }) => rows.isText);
  }

  /** About how long a record is: the bytes of its row. */
  sizeOf(index: number): number {
    const { sizes, first } = this.#fileOf(index);
    return sizes[index - first]!;
  }

  /** One of the records. @throws InputError when its file is no longer what it was. */
  async read(index: number): Promise<DataRecord> {
    const { rows, first, offsets, sizes } = this.#fileOf(index);
    const [offset, size] = [offsets[index - first]!, sizes[index - first]!];
    const where = `${rows.path}: record ${index - first}`;
    return recordOf(rows, where, await rows.read(offset, size), this.#options);
  }

  /** What messages call some of the records: their files and lines. The files are read again up to these. */
  async whereOf(indices: readonly number[]): Promise<string[]> {
    const found = new Map<number, string>();
    for (const file of new Set(indices.map((index) => this.#fileOf(index)))) {
      const wanted = new Map(
        indices
          .filter((index) => this.#fileOf(index) === file)
          .map((index) => [rowNumber(file, index), index]),
      );
      let [row, left] = [0, wanted.size];
      for await (const some of file.rows.scan()) {
        for (const { where } of some) {
          const index = wanted.get(row++);
          if (index === undefined) continue;
          found.set(index, where);
          left--;
        }
        if (left === 0) break;
      }
    }
    return indices.map((index) => found.get(index) ?? `record ${index}`);
  }

  /** Closes the files. */
  close(): Promise<void> {
    return closeAll(this.#files);
  }

  #fileOf(index: number): IndexedFile {
    const file = this.#files.findLast(({ first }) => first <= index);
    if (file === undefined || index - file.first >= file.offsets.length) {
      throw new RangeError(`Records: there is no record ${index} among ${this.length}`);
    }
    return file;
  }
}

/** The number of a record's row among all of its file. */
function rowNumber({ first, leftOut }: IndexedFile, index: number): number {
  let row = index - first;
  for (const out of leftOut) if (out <= row) row++;
  return row;
}

/** Reads a data set whole: for one that is small. */
export async function readDataset(
  name: string | readonly string[],
  options: ReadOptions = {},
): Promise<DataRecord[]> {
  const records = await Records.open([name].flat(), options);
  try {
    const read: DataRecord[] = [];
    for (let i = 0; i < records.length; i++) read.push(await records.read(i));
    return read;
  } finally {
    await records.close();
  }
}

/** A piece of a text is a record as it is; any other row has fields. */
function recordOf({ isText }: RowFile, where: string, value: unknown, options: RecordOptions): DataRecord {
  return isText ? (value as DocumentRecord) : parseRecord(where, value, options);
}

/** A record's text, for its hash. @throws InputError when a message is nested beyond what can be written. */
function textOf(record: DataRecord, where: string): string {
  try {
    return JSON.stringify(record);
  } catch (error) {
    throw new InputError(where, "is nested too deeply", { cause: error });
  }
}

function countOf(files: readonly IndexedFile[]): number {
  const last = files.at(-1);
  return last === undefined ? 0 : last.first + last.offsets.length;
}

async function closeAll(files: readonly IndexedFile[]): Promise<void> {
  for (const { rows } of files) await rows.close();
}
