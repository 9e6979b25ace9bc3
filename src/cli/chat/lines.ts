import { createInterface } from "node:readline";
import type { CliIo } from "../command.js";

/** What a person types, or a pipe brings, line by line. */
export interface Lines {
  /** The next line, undefined after the last; a person sees the prompt before it. */
  next(prompt: string): Promise<string | undefined>;
  close(): void;
}

/** Reads lines: with editing and a history on a terminal. */
export function openLines({ stdin, stderr }: Pick<CliIo, "stdin" | "stderr">): Lines {
  const terminal = Boolean(stdin.isTTY && stderr.isTTY);
  const reader = createInterface(
    terminal
      ? { input: stdin, output: stderr, terminal }
      : { input: stdin, crlfDelay: Number.POSITIVE_INFINITY },
  );
  // While a line can be edited, Ctrl-C is a key like others, and no signal.
  reader.on("SIGINT", () => {
    stderr.write("\n");
    process.emit("SIGINT");
  });
  const lines = reader[Symbol.asyncIterator]();
  return {
    next: async (prompt) => {
      if (terminal) {
        reader.setPrompt(prompt);
        reader.prompt();
      }
      const { value, done } = await lines.next();
      return done ? undefined : value;
    },
    close: () => reader.close(),
  };
}
