import type { TokenSampler } from "./sampling.js";

/** What reads tokens and tells what may come next: a model with its memory of one sequence. */
export interface SequenceReader {
  /** Reads tokens; gives the logits after the last, [vocab]. */
  read(ids: readonly number[]): Promise<Float32Array>;
}

/** When generation ends. */
export interface StopOptions {
  readonly maxNewTokens: number;
  /** Tokens that end a text; they are not given out. */
  readonly stopIds: readonly number[];
}

/** New tokens after a prompt, one at a time. A stopping consumer stops the generation. */
export async function* generateTokens(
  reader: SequenceReader,
  prompt: readonly number[],
  sample: TokenSampler,
  { maxNewTokens, stopIds }: StopOptions,
): AsyncGenerator<number> {
  let next = prompt;
  for (let i = 0; i < maxNewTokens; i++) {
    const id = sample(await reader.read(next));
    if (stopIds.includes(id)) return;
    yield id;
    next = [id];
  }
}
