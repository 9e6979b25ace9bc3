import type { Work } from "./work.js";

/** What does the work: the built package, the Python reference, or llama.cpp. */
export type Program = "tptt" | "python" | "llama.cpp";

/** One of those that are timed side by side. */
export interface Side {
  readonly name: string;
  readonly program: Program;
  readonly work: Work;
  /** Tokens in one repetition; without it the row is about seconds. */
  readonly tokens?: number;
  /**
   * Each repetition is a process of its own: the `first` that ever opens the model, nothing of which is cached, or a
   * `second` one, which finds what others before it left.
   */
  readonly start?: "first" | "second";
}

/** What the package is measured against. */
export interface Reference extends Side {
  /** Goal: the package is at least so many times as fast. */
  readonly atLeast?: number;
  /** Goal: the package takes at most so many times as much memory. */
  readonly memoryAtMost?: number;
  /** Goal: the losses differ by at most so much. */
  readonly lossWithin?: number;
}

/** Work that the package does, and others beside it. */
export interface Row {
  readonly name: string;
  readonly ours: Side;
  readonly references?: readonly Reference[];
  /** Goals for the package by itself. */
  readonly atMost?: { readonly seconds?: number; readonly bytes?: number };
  /**
   * What a token (a repetition, where no tokens are counted) takes at least, in products or in bytes of memory that are
   * read: the row's share of the machine's limit follows.
   */
  readonly needs?: { readonly gflop: number } | { readonly bytes: number };
  /** False: that a goal is missed is no question of where the row's time goes. */
  readonly profile?: false;
  /** Neighbours of one group are measured together, and a side that several of them have only once. */
  readonly group?: string;
  /** Done once, without a warm-up: it is about what comes out. */
  readonly once?: boolean;
  /** Where the row stands in a plot of growth. */
  readonly growth?: { readonly axis: "length" | "layers" | "vocabulary"; readonly value: number };
  /** What a reader has to know, such as why nothing stands beside. */
  readonly note?: string;
}

/** What the suites are made for. */
export interface SuiteOptions {
  /** The model as a GGUF file. */
  readonly model: string;
  /** Its size. */
  readonly fileBytes: number;
  /** The same weights as a Hugging Face folder in float32, for Python; absent: Python does not take part. */
  readonly folder?: string;
  /** Whether llama.cpp is installed. */
  readonly llama: boolean;
  /** A text to learn and to predict, where there is one. */
  readonly text?: string;
  /** Leaves out what takes minutes. */
  readonly quick: boolean;
  /** A folder for models that a suite makes. */
  readonly scratch: string;
}

/** A suite lists its rows. */
export type Suite = (options: SuiteOptions) => readonly Row[] | Promise<readonly Row[]>;

/** What was measured of a side. */
export interface Measured {
  /** Of each repetition after the warm-up. */
  readonly seconds: readonly number[];
  /** The most memory that the process had resident. */
  readonly peakBytes: number;
  /** Mean loss of a token, where the work has one. */
  readonly loss?: number;
  /** Why there are no figures, if there are none. */
  readonly failed?: string;
}

/** A row with its figures, as it is in a report. */
export interface MeasuredRow extends Omit<Row, "ours" | "references"> {
  readonly suite: string;
  /** How much of the machine other work took just before, from 0 to 1. */
  readonly busy: number;
  /** Seconds that measuring the row took. */
  readonly took: number;
  readonly ours: Side & Measured;
  readonly references: readonly (Reference & Measured)[];
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.floor(half)]! + sorted[Math.ceil(half) - 1]!) / 2;
}

/** How much is done in a second: tokens, or repetitions. */
export const speedOf = ({ seconds, tokens = 1 }: Side & Measured): number => tokens / median(seconds);
