import type { Given, OptionTable } from "./options.js";
import type { Output } from "./reporter.js";

/** A stream to read from; `isTTY` when a person types. */
export type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean };

/** What a command has of the world around it. */
export interface CliIo {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /**
   * Has `stop` called, in place of the end of the process, when the user interrupts it. The function that it gives back
   * undoes that.
   */
  onInterrupt(stop: () => void): () => void;
}

/** The exit code of a run that was interrupted. */
export const interrupted = 130;

/** A command: `tptt <name> --options`. */
export interface CliCommand<T extends OptionTable = OptionTable> {
  readonly name: string;
  readonly description: string;
  readonly options: T;
  /** The option whose values may stand without its flag, or several options, of which one value each may. */
  readonly operands?: (keyof T & string) | readonly (keyof T & string)[];
  /**
   * @returns the exit code; nothing for success.
   * @throws InputError for what the user can mend.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a command that only succeeds returns nothing
  run(given: Given<T>, io: CliIo): Promise<number | void>;
}

/** Declares a command; the types of its options come from the table. */
export const defineCommand = <const T extends OptionTable>(command: CliCommand<T>): CliCommand =>
  command as unknown as CliCommand;
