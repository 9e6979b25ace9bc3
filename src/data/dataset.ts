import { createHash } from "node:crypto";
import { InputError } from "../errors.js";
import { Random } from "../random.js";
import type { DataFile } from "./data-file.js";
import { fingerprint } from "./fingerprint.js";
import type { Records } from "./records.js";
import { upTo } from "./sampler.js";
import {
  checkMaxLength,
  type Example,
  examplesOf,
  hasTargets,
  type TokenizeOptions,
  type TokenizerLike,
  windowCount,
} from "./tokenize.js";

/** Examples that are read when they are needed, in any order. */
export interface Dataset {
  /** How many examples there are. */
  readonly length: number;
  /** About how long each is, in any unit: enough to put those of like length into a batch. */
  readonly sizes: ArrayLike<number>;
  /** Tells data sets apart. */
  readonly fingerprint: string;
  /** The files that it was made from, if there are any. */
  readonly files?: readonly DataFile[];
  /** Some of the examples, in the order of the indices. One in which nothing is to be predicted may be empty of targets. */
  read(indices: readonly number[]): Promise<Example[]>;
  /** What messages call some of the examples: the file and line that each comes from. */
  whereOf?(indices: readonly number[]): Promise<string[]>;
}

/** Examples in memory as a {@link Dataset}; a data set stays what it is. */
export function toDataset(examples: Dataset | readonly Example[]): Dataset {
  if (!isList(examples)) return examples;
  return {
    length: examples.length,
    sizes: examples.map(({ inputIds }) => inputIds.length),
    fingerprint: fingerprint(examples),
    read: async (indices) => indices.map((index) => examples[index]!),
  };
}

const isList = (examples: Dataset | readonly Example[]): examples is readonly Example[] =>
  Array.isArray(examples);

/** What messages call some examples of a data set: by their files, or else their numbers from 0. */
export const whereOf = async (dataset: Dataset, indices: readonly number[]): Promise<string[]> =>
  (await dataset.whereOf?.(indices)) ?? indices.map((index) => `example ${index}`);

/** Reads the examples of a batch that have something to predict. */
export const readTargets = async (dataset: Dataset, indices: readonly number[]): Promise<Example[]> =>
  (await dataset.read(indices)).filter(hasTargets);

/** Documents whose tokens are kept: their windows are read in any order. */
const documentsKept = 64;

/**
 * Records as examples, tokenized when they are read. A record is one example. The windows of documents must be counted
 * first, so texts are tokenized once before.
 */
export class TokenizedDataset implements Dataset {
  readonly #records: Records;
  readonly #tokenizer: TokenizerLike;
  readonly #options: TokenizeOptions;
  /** Of each example: its record, and which of the record's examples it is. */
  readonly #recordOf: Uint32Array;
  readonly #partOf: Uint32Array | undefined;
  readonly #kept = new Map<number, readonly Example[]>();
  readonly length: number;
  readonly sizes: ArrayLike<number>;
  readonly fingerprint: string;
  readonly files: readonly DataFile[];

  private constructor(
    records: Records,
    tokenizer: TokenizerLike,
    options: TokenizeOptions,
    parts: readonly number[] | undefined,
  ) {
    this.#records = records;
    this.#tokenizer = tokenizer;
    this.#options = options;
    const { length } = records;
    this.length = parts ? parts.reduce((sum, count) => sum + count, 0) : length;
    this.#recordOf = new Uint32Array(this.length);
    this.#partOf = parts && new Uint32Array(this.length);
    const sizes = new Uint32Array(this.length);
    for (let record = 0, at = 0; record < length; record++) {
      const count = parts?.[record] ?? 1;
      for (let part = 0; part < count; part++, at++) {
        this.#recordOf[at] = record;
        if (this.#partOf) this.#partOf[at] = part;
        sizes[at] = records.sizeOf(record) / count;
      }
    }
    this.sizes = sizes;
    this.files = records.files;
    const { maxLength, maskPrompt = false } = options;
    this.fingerprint = identify(this.length, records.fingerprint, { maxLength, maskPrompt });
  }

  /**
   * @param onProgress told how many records are counted, when there are documents among them.
   * @throws InputError when `maxLength` is below 2.
   */
  static async create(
    records: Records,
    tokenizer: TokenizerLike,
    options: TokenizeOptions,
    onProgress?: (done: number, total: number) => void,
  ): Promise<TokenizedDataset> {
    checkMaxLength(options.maxLength);
    if (!records.hasTexts) return new TokenizedDataset(records, tokenizer, options, undefined);
    const parts: number[] = [];
    for (let i = 0; i < records.length; i++) {
      const record = await records.read(i);
      parts.push("document" in record ? windowCount(record, tokenizer, options.maxLength) : 1);
      onProgress?.(i + 1, records.length);
    }
    return new TokenizedDataset(records, tokenizer, options, parts);
  }

  async read(indices: readonly number[]): Promise<Example[]> {
    const examples: Example[] = [];
    for (const index of indices) {
      const made = await this.#examplesOf(this.#recordOf[index]!);
      examples.push(made[this.#partOf?.[index] ?? 0]!);
    }
    return examples;
  }

  whereOf(indices: readonly number[]): Promise<string[]> {
    return this.#records.whereOf(indices.map((index) => this.#recordOf[index]!));
  }

  async #examplesOf(record: number): Promise<readonly Example[]> {
    const kept = this.#kept.get(record);
    if (kept) return kept;
    const made = examplesOf(await this.#records.read(record), this.#tokenizer, this.#options);
    if (this.#partOf) {
      this.#kept.set(record, made);
      if (this.#kept.size > documentsKept) this.#kept.delete(this.#kept.keys().next().value!);
    }
    return made;
  }
}

/** Some examples of a data set. */
export function subset(dataset: Dataset, indices: Uint32Array): Dataset {
  return {
    length: indices.length,
    sizes: indices.map((index) => dataset.sizes[index]!),
    fingerprint: identify(indices.length, dataset.fingerprint, indices),
    ...(dataset.files ? { files: dataset.files } : {}),
    read: (wanted) => dataset.read(wanted.map((i) => indices[i]!)),
    whereOf: (wanted) =>
      whereOf(
        dataset,
        wanted.map((i) => indices[i]!),
      ),
  };
}

/** The parts of a data set. */
export interface Split {
  readonly train: Dataset;
  readonly held: Dataset;
}

/**
 * Holds out some examples, drawn by the seed; both parts keep the order of the data.
 *
 * @param held how many.
 * @throws InputError when none are left to train on.
 */
export function splitDataset(dataset: Dataset, held: number, seed: number): Split {
  const { length } = dataset;
  if (held >= length) {
    throw new InputError(
      "eval_samples",
      `is ${held}, but the data give ${length} examples; leave some to train on`,
    );
  }
  const order = heldOutOrder(length, seed);
  return {
    train: subset(dataset, order.slice(held).sort()),
    held: subset(dataset, order.slice(0, held).sort()),
  };
}

/** The order in which the seed holds out examples: the first of them are held out. */
export const heldOutOrder = (length: number, seed: number): Uint32Array =>
  Random.for(seed, "held-out").shuffle(upTo(length));

/** What tells data sets apart: the number of examples, and a hash of what they come from. */
export function identify(examples: number, source: string, made: Uint32Array | object): string {
  const hash = createHash("sha256").update(source);
  hash.update(made instanceof Uint32Array ? made : JSON.stringify(made));
  return `${examples} examples, ${hash.digest("hex").slice(0, 16)}`;
}
