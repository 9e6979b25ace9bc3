import { errorCode, InputError } from "../errors.js";
import { openFile } from "./byte-source.js";
import { parseJson } from "./json-text.js";

/** A JSON object whose fields have not been checked yet. */
export type JsonObject = Record<string, unknown>;

/** The largest tokenizer.json in use has some 35 MB; nothing honest comes near this. */
const maxBytes = 256 * 1024 * 1024;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads a UTF-8 text file whole.
 *
 * @param largest the bytes that it may have.
 * @throws InputError when it does not exist, is larger or is not UTF-8.
 */
export async function readTextFile(path: string, largest = maxBytes): Promise<string> {
  const file = await openFile(path);
  try {
    if (file.size > largest) {
      throw new InputError(
        path,
        `has ${file.size} bytes, expected at most ${largest}; is it the right file?`,
      );
    }
    const bytes = await file.read(0, file.size);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (error) {
      throw new InputError(path, "is not UTF-8 text; save it as UTF-8", { cause: error });
    }
  } finally {
    await file.close();
  }
}

/**
 * Reads a file that holds one JSON object.
 *
 * @throws InputError naming the file when it is missing, not JSON, or JSON of another kind.
 */
export async function readJsonFile(path: string): Promise<JsonObject> {
  const text = await readTextFile(path);
  const value = parseJson(text, path, "mend it or download it again");
  if (!isObject(value)) {
    const kind = Array.isArray(value) ? "an array" : value === null ? "null" : `a ${typeof value}`;
    throw new InputError(path, `holds ${kind}, expected a JSON object`);
  }
  return value;
}

/** As {@link readJsonFile}, but `undefined` when there is no such file. */
export async function readJsonFileIfPresent(path: string): Promise<JsonObject | undefined> {
  try {
    return await readJsonFile(path);
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}

/** As {@link readTextFile}, but `undefined` when there is no such file. */
export async function readTextFileIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readTextFile(path);
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}

/** Whether an error says that a file does not exist. */
export function isMissingFile(error: unknown): boolean {
  const cause = error instanceof InputError ? error.cause : undefined;
  return errorCode(cause) === "ENOENT";
}
