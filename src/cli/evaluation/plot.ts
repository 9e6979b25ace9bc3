import type { Metric, TaskResult } from "../../evaluate/result.js";
import { heatMap, type SweepPoint } from "../../plot/heat-map.js";
import { writePlot } from "../../plot/render.js";
import { matrixOf } from "./matrix.js";

/** Draws the map of a result, and what was swept over mu, into a file: SVG or PNG by its ending. */
export async function plotResult(path: string, { breakdown = [], heatMap: axes }: TaskResult): Promise<void> {
  if (axes === undefined) return;
  const { metric, row, column, rows, columns, cells } = matrixOf(breakdown, axes);
  const name = (text: string) => text.replaceAll("_", " ");
  const spec = heatMap(
    {
      title: name(metric),
      rowTitle: name(row),
      columnTitle: name(column),
      cells: rows.flatMap((r, i) =>
        columns.flatMap((c, j) => {
          const value = cells[i]![j]?.value;
          return value === undefined ? [] : [{ row: r, column: c, value }];
        }),
      ),
    },
    column === "mag_weight" ? breakdown.flatMap(sweepPoint) : [],
  );
  await writePlot(path, spec);
}

/** A figure of the whole model at one mu. */
function sweepPoint({ name, value, interval, where = {} }: Metric): SweepPoint[] {
  const mu = where.mag_weight;
  if (typeof mu !== "number" || "layer" in where) return [];
  const [low, high] = interval.map((end) => (Number.isFinite(end) ? end : null)) as [number, number];
  return [{ name, mu, value, low, high }];
}
