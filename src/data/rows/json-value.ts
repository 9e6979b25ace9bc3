import { InputError } from "../../errors.js";

/** The value of a JSON text. @throws InputError that tells in one line where it is broken. */
export function parseJson(text: string, where: string, advice: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The message quotes the place, line feeds included.
    const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
    throw new InputError(where, `is not valid JSON (${reason}); ${advice}`, { cause: error });
  }
}
