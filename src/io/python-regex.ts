import vm from "node:vm";

const spellings: Readonly<Record<string, string>> = { "(?P<": "(?<", "\\A": "^", "\\Z": "$" };

/**
 * A regular expression in Python's spelling. The two dialects agree on all that is used on module paths, but for the
 * spelling of named groups and of the ends of a text.
 *
 * @throws SyntaxError when JavaScript does not know a construct.
 */
export function pythonRegex(pattern: string): RegExp {
  const spelled = pattern.replace(/\(\?P=(\w+)\)|\(\?P<|\\./gs, (part, group?: string) =>
    group === undefined ? (spellings[part] ?? part) : `\\k<${group}>`,
  );
  return new RegExp(spelled);
}

const context = vm.createContext({});
const call = new vm.Script("work()");

/**
 * Runs work that matches patterns of unknown origin: some, as `(a+)+$`, take longer than anyone waits.
 *
 * @returns what the work returns; undefined when it was stopped after `milliseconds`.
 */
export function withinTime<T>(work: () => T, milliseconds = 900): { readonly value: T } | undefined {
  try {
    return { value: call.runInContext(Object.assign(context, { work }), { timeout: milliseconds }) as T };
  } catch (error) {
    // The error is of the other context, and no instance of this one's Error.
    const { code } = error as { code?: unknown };
    if (code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  }
}
