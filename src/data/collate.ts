import { Tensor } from "../engine/tensor.js";
import { ignoreIndex } from "./ignore-index.js";
import type { Example } from "./tokenize.js";

/** A batch of examples of one static shape [B, S]; every tensor is `int64`. */
export interface Batch {
  readonly inputIds: Tensor;
  /** 1 at tokens, 0 at padding. */
  readonly attentionMask: Tensor;
  /** The token id where it is to be predicted, else -100; not shifted. */
  readonly labels: Tensor;
  /** How many labels are to be predicted. */
  readonly targets: number;
}

/** How {@link collate} makes a batch. */
export interface CollateOptions {
  /** B. Rows without an example are padding from end to end. */
  readonly batchSize: number;
  /** Lengths that S may take, ascending. */
  readonly buckets: readonly number[];
  readonly paddingSide: "left" | "right";
}

/**
 * The lengths that examples are padded to: multiples of 64 of the form 2^n and 1.5 * 2^n (64, 128, 192, 256, 384, 512
 * ..), then `maxLength`. Each length is a graph of its own, so they are few: two for each
 * doubling, and above the first at most half of a row is padding.
 */
export function lengthBuckets(maxLength: number): number[] {
  const buckets: number[] = [];
  for (let power = 64; power < maxLength; power *= 2) {
    buckets.push(power);
    if (power > 64 && power * 1.5 < maxLength) buckets.push(power * 1.5);
  }
  return [...buckets, maxLength];
}

/**
 * Pads examples to the smallest bucket that holds the longest of them. Padding is token 0, a row of every embedding
 * table; the mask keeps it out of everything.
 *
 * The label of an example's first token is dropped: nothing precedes it (or, with left padding, only padding does).
 *
 * @throws RangeError when there are more examples than rows, or one is longer than the last bucket.
 */
export function collate(
  examples: readonly Example[],
  { batchSize, buckets, paddingSide }: CollateOptions,
): Batch {
  const longest = Math.max(...examples.map(({ inputIds }) => inputIds.length));
  const length = buckets.find((bucket) => bucket >= longest);
  if (length === undefined || examples.length > batchSize) {
    throw new RangeError(
      `collate: ${examples.length} examples of up to ${longest} tokens do not fit ${batchSize} rows of ${buckets.at(-1)}`,
    );
  }
  const shape = [batchSize, length];
  const inputIds = new BigInt64Array(batchSize * length);
  const attentionMask = new BigInt64Array(batchSize * length);
  const labels = new BigInt64Array(batchSize * length).fill(BigInt(ignoreIndex));
  let targets = 0;
  for (const [row, example] of examples.entries()) {
    const start = row * length + (paddingSide === "left" ? length - example.inputIds.length : 0);
    for (const [t, id] of example.inputIds.entries()) {
      inputIds[start + t] = BigInt(id);
      attentionMask[start + t] = 1n;
      const label = example.labels[t]!;
      if (t === 0 || label === ignoreIndex) continue;
      labels[start + t] = BigInt(label);
      targets++;
    }
  }
  return {
    inputIds: new Tensor("int64", shape, inputIds),
    attentionMask: new Tensor("int64", shape, attentionMask),
    labels: new Tensor("int64", shape, labels),
    targets,
  };
}
