import { type Document, parseDocument } from "yaml";
import { InputError } from "../errors.js";
import { isObject, readTextFile } from "../io/json-file.js";
import { nearest } from "./nearest.js";
import { checked, type Given, type OptionTable } from "./options.js";
import { isTitanesque, titanesqueOptions } from "./titanesque-config.js";

/** A page of options has a few kilobytes; what parses YAML needs hundreds of times as much. */
const largestFile = 64 * 1024;

/**
 * Reads options from a YAML file: a mapping of the options' names in snake_case. For training it may
 * be an experiments file of the Python project ({@link titanesqueOptions}).
 *
 * @param note told of what is read and not used.
 * @throws InputError naming the file and the line or key that is wrong.
 */
export async function readConfigFile<T extends OptionTable>(
  path: string,
  table: T,
  note: (text: string) => void = () => {},
): Promise<Given<T>> {
  const document = parseDocument(await readTextFile(path, largestFile), { prettyErrors: true });
  const [error] = document.errors;
  if (error) {
    const [{ line }] = error.linePos ?? [{ line: 1 }];
    throw new InputError(`${path}:${line}`, `is not valid YAML: ${error.message.split(/ at line|\n/)[0]}`);
  }
  const content = contentOf(document, path);
  if (!isObject(content)) throw new InputError(path, "is no mapping, expected lines such as batch_size: 4");
  const isExperiments = "dataset" in table && isTitanesque(content);
  const fields = isExperiments ? titanesqueOptions(content, path, note) : content;
  for (const key of Object.keys(fields)) {
    if (Object.hasOwn(table, key)) continue;
    const near = nearest(key, Object.keys(table));
    throw new InputError(
      `${path}: ${key}`,
      `is not an option of this command; did you mean ${near.join(", ")}?`,
    );
  }
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return checked(table, Object.fromEntries(given), (name) => `${path}: ${name}`);
}

/** @throws InputError for aliases that would swell to more than they say. */
function contentOf(document: Document, path: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(path, `cannot be read (${reason}); write it without aliases`, { cause: error });
  }
}
