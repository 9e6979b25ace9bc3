/** A text that is too long without what follows its first token (the beginning of sequence): its end says more. */
export const keepEnds = (ids: readonly number[], longest: number): readonly number[] =>
  ids.length <= longest ? ids : [ids[0]!, ...ids.slice(ids.length - longest + 1)];
