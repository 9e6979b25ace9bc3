/** Tokens that are read by one run of a graph; a graph for each size and each room. */
export interface Block {
  readonly start: number;
  /** Tokens of the graph; what the last block lacks is padding. */
  readonly size: number;
  /** Where the last block of this size begins: all of them fit a graph with room for so many tokens before them. */
  readonly lastStart: number;
}

export const longestBlock = 256;
export const shorterBlock = 64;

/** A few tokens are read one by one, by the graph that reads those that are written: making another would take longer. */
const blockSize = (remaining: number): number =>
  remaining > 192 ? longestBlock : remaining > 8 ? shorterBlock : 1;

/** Cuts `count` tokens into blocks. */
export function blocksOf(count: number): Block[] {
  const starts: { start: number; size: number }[] = [];
  for (let start = 0; start < count; start += starts.at(-1)!.size)
    starts.push({ start, size: blockSize(count - start) });
  return starts.map((block) => ({
    ...block,
    lastStart: starts.findLast(({ size }) => size === block.size)!.start,
  }));
}

/** All tokens of a call as one block. */
export const wholeBlock = (count: number): Block => ({ start: 0, size: count, lastStart: 0 });
