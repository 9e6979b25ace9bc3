import { createInterface } from "node:readline";
import type { Prepared, Work } from "./work.js";

/** What a worker says first. */
export interface Ready {
  readonly versions: Readonly<Record<string, string>>;
}

/** What a worker says after each repetition. */
export interface Repetition {
  readonly seconds: number;
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
  const { repeat, release } = await prepare(JSON.parse(process.argv[2]!) as Work);
  answer({ versions });
  for await (const _ of createInterface(process.stdin)) {
    const seconds = await repeat();
    answer({ seconds, peakBytes: process.resourceUsage().maxRSS * 1024 });
  }
  await release();
}

const answer = (message: Ready | Repetition) => process.stdout.write(`${JSON.stringify(message)}\n`);
