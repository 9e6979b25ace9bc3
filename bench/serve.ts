import { createInterface } from "node:readline";
import type { Prepared, Result, Work } from "./work.js";

/** What a worker says first. */
export interface Ready {
  readonly versions: Readonly<Record<string, string>>;
}

/** What a worker says after each repetition. */
export interface Repetition extends Result {
  /** The most memory that the process has had resident so far. */
  readonly peakBytes: number;
}

/**
 * A worker's side of the talk: prepares the work that the first argument says, answers {@link Ready}, then does it once
 * for each line of standard input and answers {@link Repetition}. Ends with its input.
 */
export async function serve(
  prepare: (work: Work) => Promise<Prepared>,
  versions: Ready["versions"],
): Promise<void> {
  // Asked to end: what is registered for the process's end still runs, such as the removal of its files.
  process.once("SIGTERM", () => process.exit(143));
  const { repeat, release } = await prepare(JSON.parse(process.argv[2]!) as Work);
  answer({ versions });
  for await (const _ of createInterface(process.stdin)) {
    const result = await repeat();
    answer({ ...result, peakBytes: process.resourceUsage().maxRSS * 1024 });
  }
  await release();
}

const answer = (message: Ready | Repetition) => process.stdout.write(`${JSON.stringify(message)}\n`);
