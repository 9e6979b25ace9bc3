import { stops } from "#time-limit";
import { repeatsRepetition } from "./repeats-repetition.js";

const spellings: Readonly<Record<string, string>> = { "(?P<": "(?<", "\\A": "^", "\\Z": "$" };

/**
 * A regular expression in Python's spelling. The two dialects agree on all that is used on module paths, but for the
 * spelling of named groups and of the ends of a text.
 *
 * @throws SyntaxError when JavaScript does not know a construct, and where nothing can stop a match (in a browser) also
 * for a repetition in a repetition.
 */
export function pythonRegex(pattern: string): RegExp {
  if (!stops && repeatsRepetition(pattern)) throw new SyntaxError(`${pattern} repeats a repetition`);
  const spelled = pattern.replace(/\(\?P=(\w+)\)|\(\?P<|\\./gs, (part, group?: string) =>
    group === undefined ? (spellings[part] ?? part) : `\\k<${group}>`,
  );
  return new RegExp(spelled);
}
