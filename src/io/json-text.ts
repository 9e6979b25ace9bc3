import { InputError } from "../errors.js";

/** How deep values may lie in each other. Real files stay below 20; what walks a value must not run out of stack. */
const maxDepth = 256;

/** The value of a JSON text. @throws InputError that tells in one line where it is broken. */
export function parseJson(text: string, where: string, advice: string): unknown {
  if (isDeeper(text, maxDepth))
    throw new InputError(where, `is nested more than ${maxDepth} deep; ${advice}`);
  try {
    return JSON.parse(text);
  } catch (error) {
    // The message quotes the place, line feeds included.
    const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
    throw new InputError(where, `is not valid JSON (${reason}); ${advice}`, { cause: error });
  }
}

const [quote, backslash] = [0x22, 0x5c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

function isDeeper(text: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === quote) {
      for (at++; at < text.length && text.charCodeAt(at) !== quote; at++) {
        if (text.charCodeAt(at) === backslash) at++;
      }
    } else if (unit === openBracket || unit === openBrace) {
      if (++depth > limit) return true;
    } else if (unit === closeBracket || unit === closeBrace) depth--;
  }
  return false;
}

/** A value as error messages show it: its first characters. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length <= 200 ? text : `${text.slice(0, 200)} ...`;
}
