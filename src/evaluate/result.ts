import type { Estimate } from "./intervals.js";

/** One measured number. */
export interface Metric extends Estimate {
  readonly name: string;
  /** What part of the data it belongs to, in a breakdown: a distance, a subject, a layer. */
  readonly where?: Readonly<Record<string, string | number>>;
}

/** One answer of a model, to be read by a person. */
export interface AnswerSample {
  readonly prompt: string;
  readonly expected: string;
  readonly answer: string;
}

/** Which figures of a breakdown make a map: a metric, and what parts of `where` name its rows and columns. */
export interface HeatMapAxes {
  readonly metric: string;
  readonly row: string;
  readonly column: string;
}

/** What an evaluation task measured. */
export interface TaskResult {
  /** The task's own figures. */
  readonly metrics: readonly Metric[];
  /** The same by parts of the data. */
  readonly breakdown?: readonly Metric[];
  /** How the breakdown is best looked at. */
  readonly heatMap?: HeatMapAxes;
  /** What belongs to the figures: what guessing gives, how many texts were cut. */
  readonly notes?: Readonly<Record<string, number | string>>;
  /** The first answers. */
  readonly samples?: readonly AnswerSample[];
}

/** An estimate under a name. */
export const metric = (name: string, estimate: Estimate, where?: Metric["where"]): Metric => {
  const { value, interval, method, count } = estimate;
  return { name, value, interval, method, count, ...(where ? { where } : {}) };
};
