import vm from "node:vm";

const context = vm.createContext({});
const call = new vm.Script("work()");

/** Whether work can be stopped from outside: here, by Node. */
export const stops = true;

/**
 * Runs work that may take longer than anyone waits, as a pattern like `(a+)+$` does.
 *
 * @returns what the work returns; undefined when it was stopped after `milliseconds`.
 */
export function withinTime<T>(work: () => T, milliseconds = 900): { readonly value: T } | undefined {
  try {
    return {
      value: call.runInContext(Object.assign(context, { work }), { timeout: Math.ceil(milliseconds) }) as T,
    };
  } catch (error) {
    // The error is of the other context, and no instance of this one's Error.
    const { code } = error as { code?: unknown };
    if (code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  }
}
