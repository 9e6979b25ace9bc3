import { InputError } from "../errors.js";
import { isObject, readTextFileIfPresent } from "./json-file.js";
import { parseJson } from "./json-text.js";

/** The name of the file with a run's metrics, in the run's folder. */
export const metricsFile = "metrics.jsonl";

/** What is measured at a step. */
export interface Metrics {
  readonly step: number;
  readonly [name: string]: number | string | boolean | undefined;
}

/** A line of `metrics.jsonl`, as it is in the file and as what it says. */
export interface MetricsLine {
  readonly text: string;
  readonly metrics: Metrics;
}

/**
 * The whole lines of a run's `metrics.jsonl`. What follows the last line feed is a line that was being written when the
 * run was killed, or is being written now.
 *
 * @returns undefined when there is no such file.
 * @throws InputError naming the line that is not a metric.
 */
export async function readMetricsLines(path: string): Promise<MetricsLine[] | undefined> {
  const content = await readTextFileIfPresent(path);
  const lines = content?.split("\n").slice(0, -1);
  return lines?.map((text, index) => ({ text, metrics: parseMetrics(`${path}:${index + 1}`, text) }));
}

function parseMetrics(where: string, line: string): Metrics {
  const metrics = parseJson(line, where, "remove the line to resume");
  if (!isObject(metrics) || typeof metrics.step !== "number") {
    throw new InputError(
      `${where}: field "step"`,
      "is missing, expected a number; remove the line to resume",
    );
  }
  return metrics as Metrics;
}

/** A number measured over the steps of a run. */
export interface Series {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** Where a metric was measured and is finite, in the order of the file. */
export function seriesOf(metrics: readonly Metrics[], name: string): Series {
  const points = metrics.filter((line) => Number.isFinite(line[name]));
  return { steps: points.map(({ step }) => step), values: points.map((line) => line[name] as number) };
}

/**
 * mu over the steps of a run: the memory's share of the layers' outputs. It is 0 while the memories are left out, and has
 * no points where it is learned for each token.
 */
export function magWeightSeries(metrics: readonly Metrics[]): Series {
  return seriesOf(
    metrics.map((line) => (line.disable_linear_attn === true ? { step: line.step, mag_weight: 0 } : line)),
    "mag_weight",
  );
}
