import { type Batch, collate, lengthBuckets } from "../data/collate.js";
import { type Dataset, readTargets, whereOf } from "../data/dataset.js";
import { LengthGroupedSampler, type SamplerPosition } from "../data/sampler.js";
import { nothingToPredict } from "../data/tokenize.js";
import type { TrainingArguments } from "./arguments.js";

/** What one step of the optimizer learns from. */
export interface StepBatches {
  readonly batches: readonly Batch[];
  /** The examples in them, by their places in the data set. */
  readonly indices: readonly number[];
}

/** So many of a step's examples are named. */
const maxNamed = 8;

/** The batches of a run, step after step without end. */
export class TrainingBatches {
  readonly #dataset: Dataset;
  readonly #args: TrainingArguments;
  readonly #paddingSide: "left" | "right";
  readonly #sampler: LengthGroupedSampler;

  /** @param position where to go on; undefined: at the start. @throws InputError when it is that of other data. */
  constructor(
    dataset: Dataset,
    args: TrainingArguments,
    paddingSide: "left" | "right",
    position: SamplerPosition | undefined,
  ) {
    this.#dataset = dataset;
    this.#args = args;
    this.#paddingSide = paddingSide;
    this.#sampler = new LengthGroupedSampler({
      lengths: dataset.sizes,
      batchSize: args.batchSize,
      seed: args.seed,
      ...(position ? { position } : {}),
    });
  }

  /** The next batch to be taken. */
  get position(): SamplerPosition {
    return this.#sampler.position;
  }

  get stepsPerEpoch(): number {
    return Math.max(1, Math.floor(this.#sampler.batchesPerEpoch / this.#args.gradientAccumulationSteps));
  }

  /** @throws InputError when nothing is to be predicted in any example. */
  async next(): Promise<StepBatches> {
    const { batchSize, gradientAccumulationSteps, maxLength } = this.#args;
    const batches: Batch[] = [];
    const indices: number[] = [];
    // Between two batches that are not empty there may be nearly two epochs.
    for (let empty = 0; batches.length < gradientAccumulationSteps; ) {
      const next = this.#sampler.next();
      const examples = await readTargets(this.#dataset, next);
      if (examples.length > 0) {
        indices.push(...next);
        const [buckets, paddingSide] = [lengthBuckets(maxLength), this.#paddingSide];
        batches.push(collate(examples, { batchSize, buckets, paddingSide }));
        empty = 0;
      } else if (++empty >= 2 * this.#sampler.batchesPerEpoch) throw nothingToPredict(this.#dataset.length);
    }
    return { batches, indices };
  }

  /** What messages call the examples of a step: files and lines, of many the first. */
  async describe({ indices }: StepBatches): Promise<string> {
    const named = await whereOf(this.#dataset, indices.slice(0, maxNamed));
    const rest = indices.length - named.length;
    return `${named.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
  }
}
