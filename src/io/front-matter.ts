import { parseDocument } from "yaml";
import { isObject, type JsonObject } from "./json-file.js";

/** The text of a card's header, between its two lines `---`; undefined when there is none. */
export const headerOf = (card: string): string | undefined =>
  /^\uFEFF?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)/s.exec(card)?.[1];

/**
 * The fields of a card's header: the YAML between two lines `---` at the start of a README of the hub.
 *
 * @returns undefined when there is none, or it is no mapping in YAML.
 */
export function readFrontMatter(card: string): JsonObject | undefined {
  const header = headerOf(card);
  if (header === undefined) return undefined;
  const document = parseDocument(header);
  if (document.errors.length > 0) return undefined;
  try {
    const fields: unknown = document.toJS();
    return isObject(fields) ? fields : undefined;
  } catch {
    return undefined; // Aliases that would swell to more than they say.
  }
}
