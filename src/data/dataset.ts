import { extname } from "node:path";
import { InputError } from "../errors.js";
import { isObject, readTextFile } from "../io/json-file.js";

/** A task and its answer, as in the Alpaca data sets. */
export interface InstructionRecord {
  readonly instruction: string;
  /** What the task is about, if it stands apart from it. */
  readonly input?: string;
  readonly output: string;
}

/** A text that makes one example. */
export interface TextRecord {
  readonly text: string;
}

/** A text of any length, to be cut into as many examples as it fills. */
export interface DocumentRecord {
  readonly document: string;
}

/** One record of a data set. */
export type DataRecord = InstructionRecord | TextRecord | DocumentRecord;

/**
 * Reads a data set: `.json` holds an array of records, `.jsonl` (or `.ndjson`) one record a line, any other file is
 * plain text and one document. A record has `instruction`, `output` and maybe `input`, or else `text`; other fields
 * are passed over.
 *
 * @throws InputError naming the file, the line or index, and the field, when a file is missing, empty or malformed.
 */
export async function readDataset(path: string): Promise<DataRecord[]> {
  const text = await readTextFile(path);
  if (text.trim() === "") throw new InputError(path, "is empty, expected at least one record");
  switch (extname(path).toLowerCase()) {
    case ".json":
      return parseJson(path, text);
    case ".jsonl":
    case ".ndjson":
      return parseJsonLines(path, text);
    default:
      return [{ document: text }];
  }
}

function parseJson(path: string, text: string): DataRecord[] {
  let records: unknown;
  try {
    records = JSON.parse(text);
  } catch (error) {
    throw new InputError(
      path,
      `is not valid JSON (${messageOf(error)}); mend it, or call the file .jsonl if it has one object a line`,
      { cause: error },
    );
  }
  if (!Array.isArray(records))
    throw new InputError(path, `holds ${kindOf(records)}, expected an array of records`);
  if (records.length === 0) throw new InputError(path, "holds an empty array, expected at least one record");
  return records.map((record, index) => parseRecord(`${path}: record ${index}`, record));
}

function parseJsonLines(path: string, text: string): DataRecord[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const where = `${path}:${index + 1}`;
    try {
      return [parseRecord(where, JSON.parse(line))];
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(where, `is not valid JSON (${messageOf(error)}); each line holds one object`, {
        cause: error,
      });
    }
  });
}

function parseRecord(where: string, record: unknown): DataRecord {
  if (!isObject(record)) throw new InputError(where, `is ${kindOf(record)}, expected an object`);
  const field = (name: string): string => {
    const value = record[name];
    if (typeof value === "string") return value;
    const given = value === undefined ? "is missing" : `is ${kindOf(value)}`;
    throw new InputError(`${where}: field "${name}"`, `${given}, expected a string`);
  };
  // Some Alpaca files give the finished text too: the parts say more, for the prompt can be told from the answer.
  if ("instruction" in record) {
    const parts = { instruction: field("instruction"), output: field("output") };
    const input = record.input === undefined || record.input === null ? "" : field("input");
    return input === "" ? parts : { ...parts, input };
  }
  if ("text" in record) return { text: field("text") };
  const names = Object.keys(record).map((name) => `"${name}"`);
  throw new InputError(
    where,
    `has ${names.length === 0 ? "no fields" : `the fields ${names.join(", ")}`}, expected "instruction" and "output", or "text"`,
  );
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** An error in one line: that of `JSON.parse` quotes the place where it broke, line feeds included. */
const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
