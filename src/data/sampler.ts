import { InputError } from "../errors.js";
import { Random } from "../random.js";

/** The next batch to be taken, as it is written into a checkpoint. */
export interface SamplerPosition {
  readonly epoch: number;
  /** Batches of the epoch that were already taken. */
  readonly batch: number;
}

export interface LengthGroupedSamplerOptions {
  /** Length of every example, in any unit. */
  readonly lengths: ArrayLike<number>;
  readonly batchSize: number;
  readonly seed: number;
  /** Where to go on; the start by default. */
  readonly position?: SamplerPosition;
}

/** Batches whose examples are grouped among each other: enough to be alike in length, few enough to stay random. */
const batchesPerPool = 50;

/**
 * The order of the examples, epoch after epoch without end: shuffled, then grouped by length inside pools of
 * {@link batchesPerPool} batches, so that little is padding. The order of an epoch depends on the seed and the epoch's number alone,
 * so a position is all that a continuation needs.
 */
export class LengthGroupedSampler {
  readonly #options: LengthGroupedSamplerOptions;
  #position: SamplerPosition;
  /** The epoch's examples, batch after batch, and the order that the batches are taken in. */
  #examples: Uint32Array;
  #order: Uint32Array;

  /** @throws InputError when the position lies outside the epoch: it belongs to other data or another batch size. */
  constructor(options: LengthGroupedSamplerOptions) {
    this.#options = options;
    this.#position = options.position ?? { epoch: 0, batch: 0 };
    [this.#examples, this.#order] = this.#shuffle(this.#position.epoch);
    if (this.#position.batch >= this.#order.length) {
      throw new InputError(
        "data position",
        `is batch ${this.#position.batch}, the epoch has ${this.#order.length}; resume with the same data and batch size`,
      );
    }
  }

  get position(): SamplerPosition {
    return this.#position;
  }

  get batchesPerEpoch(): number {
    return this.#order.length;
  }

  /** Indices of the next batch's examples; the epoch may end with fewer than `batchSize`. */
  next(): number[] {
    const { epoch, batch } = this.#position;
    const { batchSize } = this.#options;
    const start = this.#order[batch]! * batchSize;
    const indices = [...this.#examples.subarray(start, start + batchSize)];
    if (batch + 1 < this.#order.length) {
      this.#position = { epoch, batch: batch + 1 };
    } else {
      this.#position = { epoch: epoch + 1, batch: 0 };
      [this.#examples, this.#order] = this.#shuffle(epoch + 1);
    }
    return indices;
  }

  #shuffle(epoch: number): [examples: Uint32Array, order: Uint32Array] {
    const { lengths, batchSize, seed } = this.#options;
    const random = Random.for(seed, "sampler", epoch);
    const examples = random.shuffle(upTo(lengths.length));
    const poolSize = batchSize * batchesPerPool;
    for (let start = 0; start < examples.length; start += poolSize) {
      sortByLength(examples.subarray(start, start + poolSize), lengths);
    }
    return [examples, random.shuffle(upTo(Math.ceil(examples.length / batchSize)))];
  }
}

/** Sorts examples in place, the longest first, so that memory runs out at once if it does; equals keep their order. */
export const sortByLength = (indices: Uint32Array, lengths: ArrayLike<number>): Uint32Array =>
  indices.sort((a, b) => lengths[b]! - lengths[a]!);

/** 0, 1, .. length - 1. */
export const upTo = (length: number): Uint32Array => Uint32Array.from({ length }, (_, i) => i);
