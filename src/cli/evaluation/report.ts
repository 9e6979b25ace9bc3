import type { Metric, TaskResult } from "../../evaluate/result.js";
import { columns } from "../columns.js";
import { heatMapText } from "./heat-map.js";
import { matrixOf } from "./matrix.js";

/** What a task measured, for a person: a line for each figure. */
export function evaluationReport(result: TaskResult): string {
  const { metrics, notes = {}, samples = [], breakdown = [], heatMap } = result;
  const rows = metrics.map((metric) => [
    metric.name,
    figureOf(metric),
    intervalOf(metric),
    `of ${metric.count}`,
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map(([name, value, interval, count]) =>
    `${name!.padEnd(widths[0]!)}  ${value!.padStart(widths[1]!)}  ${interval!.padEnd(widths[2]!)}  ${count}`.trimEnd(),
  );
  const told = Object.entries(notes).map(([name, value]) => `${name.replaceAll("_", " ")} ${short(value)}`);
  return [
    ...lines,
    ...(told.length > 0 ? [told.join(", ")] : []),
    ...samples.map(
      ({ expected, answer }) => `expected ${JSON.stringify(expected)}, answered ${JSON.stringify(answer)}`,
    ),
    ...(heatMap?.column === "mag_weight" ? ["", sweepTable(breakdown)] : []),
    ...(heatMap ? ["", heatMapText(matrixOf(breakdown, heatMap))] : []),
  ].join("\n");
}

/** What was measured at each mu, in rows. */
function sweepTable(breakdown: readonly Metric[]): string {
  const whole = breakdown.filter(({ where }) => where && !("layer" in where));
  const names = [...new Set(whole.map(({ name }) => name))];
  const points = [...new Set(whole.map(({ where }) => where!.mag_weight!))];
  const cell = (mu: string | number, name: string) => {
    const found = whole.find((entry) => entry.name === name && entry.where!.mag_weight === mu);
    return found ? figureOf(found) : "";
  };
  return columns([
    ["mu", ...names],
    ...points.map((mu) => [String(mu), ...names.map((name) => cell(mu, name))]),
  ]);
}

const figureOf = ({ value, method }: Metric): string =>
  method === "wilson" ? percent(value) : String(short(value));

function intervalOf({ interval: [low, high], method }: Metric): string {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return "(no interval)";
  return method === "wilson" ? `(${percent(low)} to ${percent(high)})` : `(${short(low)} to ${short(high)})`;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const short = (value: number | string): number | string =>
  typeof value === "number" ? Number(value.toPrecision(4)) : value;
