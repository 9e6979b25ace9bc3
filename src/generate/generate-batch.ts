import type { StopOptions } from "./generate.js";
import type { TokenSampler } from "./sampling.js";

/** What reads tokens of several sequences, and tells what may come next in each. */
export interface BatchReader {
  /** Reads tokens, of some rows none; gives the logits after each row's last new token, [vocab]. */
  read(rows: readonly (readonly number[])[]): Promise<(Float32Array | undefined)[]>;
}

/** When the generation of each row ends. */
export interface BatchStopOptions extends StopOptions {
  /** Whether a row is complete, with the tokens that it has now. */
  readonly isComplete?: (row: number, ids: readonly number[]) => boolean;
}

/**
 * Continues several prompts at once; a row that has ended reads nothing more.
 *
 * @returns the new tokens of each row.
 */
export async function generateBatch(
  reader: BatchReader,
  prompts: readonly (readonly number[])[],
  sample: TokenSampler,
  { maxNewTokens, stopIds, isComplete = () => false }: BatchStopOptions,
): Promise<number[][]> {
  const written: number[][] = prompts.map(() => []);
  let next = prompts;
  for (let i = 0; i < maxNewTokens && next.some((row) => row.length > 0); i++) {
    const logits = await reader.read(next);
    next = logits.map((scores, row): readonly number[] => {
      if (scores === undefined) return [];
      const id = sample(scores);
      if (stopIds.includes(id)) return [];
      written[row]!.push(id);
      return isComplete(row, written[row]!) ? [] : [id];
    });
  }
  return written;
}
