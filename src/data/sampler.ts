import { InputError } from "../errors.js";
import { Random } from "../random.js";

/** The next batch to be taken, as it is written into a checkpoint. */
export interface SamplerPosition {
  readonly epoch: number;
  /** Batches of the epoch that were already taken. */
  readonly batch: number;
}

export interface LengthGroupedSamplerOptions {
  /** Length of every example, in tokens. */
  readonly lengths: readonly number[];
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
  #batches: number[][];

  /** @throws InputError when the position lies outside the epoch: it belongs to other data or another batch size. */
  constructor(options: LengthGroupedSamplerOptions) {
    this.#options = options;
    this.#position = options.position ?? { epoch: 0, batch: 0 };
    this.#batches = this.#shuffle(this.#position.epoch);
    if (this.#position.batch >= this.#batches.length) {
      throw new InputError(
        "data position",
        `is batch ${this.#position.batch}, the epoch has ${this.#batches.length}; resume with the same data and batch size`,
      );
    }
  }

  get position(): SamplerPosition {
    return this.#position;
  }

  get batchesPerEpoch(): number {
    return this.#batches.length;
  }

  /** Indices of the next batch's examples; the epoch may end with fewer than `batchSize`. */
  next(): number[] {
    const { epoch, batch } = this.#position;
    const indices = this.#batches[batch]!;
    if (batch + 1 < this.#batches.length) {
      this.#position = { epoch, batch: batch + 1 };
    } else {
      this.#position = { epoch: epoch + 1, batch: 0 };
      this.#batches = this.#shuffle(epoch + 1);
    }
    return indices;
  }

  #shuffle(epoch: number): number[][] {
    const { lengths, batchSize, seed } = this.#options;
    const random = Random.for(seed, "sampler", epoch);
    const indices = random.shuffle([...lengths.keys()]);
    const batches = slices(indices, batchSize * batchesPerPool).flatMap((pool) =>
      groupByLength(pool, lengths, batchSize),
    );
    return random.shuffle(batches);
  }
}

/** Batches of examples of like length, the longest first, so that memory runs out at once if it does; equals keep their order. */
export function groupByLength(
  indices: readonly number[],
  lengths: readonly number[],
  batchSize: number,
): number[][] {
  return slices(
    indices.toSorted((a, b) => lengths[b]! - lengths[a]!),
    batchSize,
  );
}

function slices(indices: readonly number[], size: number): number[][] {
  const count = Math.ceil(indices.length / size);
  return Array.from({ length: count }, (_, i) => indices.slice(i * size, (i + 1) * size));
}
