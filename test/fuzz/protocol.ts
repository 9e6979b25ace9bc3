/** What one process of the fuzzer has to do. */
export interface Job {
  /** The module of the readers. */
  readonly module: string;
  readonly readers: readonly string[];
  /** The seed of the first case; each has the one after. */
  readonly seed: number;
  /** Cases for each reader. */
  readonly count: number;
  /** This process does every `stride`-th case, from `first` on. */
  readonly first: number;
  readonly stride: number;
  /** Readers that are passed over in the first case: they are done. */
  readonly done: number;
  /** Where the process puts its files. */
  readonly root: string;
}

/** A file that was read as it must not be. */
export interface Failure {
  readonly reader: string;
  readonly seed: number;
  readonly file: string;
  readonly problem: string;
}

/** What was seen of the files of one reader. */
export interface Tally {
  files: number;
  /** How many were refused, in whole or in part, with an InputError. */
  refused: number;
  /** The longest reading, in milliseconds. */
  slowest: number;
  /** The most bytes of buffers that one reading asked for. */
  largest: number;
}

export type Message =
  | { readonly type: "failure"; readonly failure: Failure; readonly path: string }
  | { readonly type: "tally"; readonly reader: string; readonly tally: Tally }
  | { readonly type: "done" };

/** The case that a process is at, in a file that outlives it. */
export interface Place {
  readonly case: number;
  /** Index of the reader. */
  readonly reader: number;
  /** The file that is read. */
  readonly path: string;
}

export const placeFile = "place.json";

/** No reading may take longer, in seconds of the processor. */
export const longest = 1;

/** No reading may need more bytes than four times the file's and this: what the readers need for any file. */
export const floor = 64 * 2 ** 20;
