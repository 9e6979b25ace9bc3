import type { TopLevelSpec } from "vega-lite";

/** A share, 0..1, at a place of a map. */
export interface HeatMapCell {
  readonly row: string | number;
  readonly column: string | number;
  readonly value: number;
}

/** A map of shares, and what its rows and columns are. */
export interface HeatMap {
  readonly title: string;
  readonly rowTitle: string;
  readonly columnTitle: string;
  /** In the order of their rows and columns. */
  readonly cells: readonly HeatMapCell[];
}

/** Figures against mu, one panel for each name. */
export interface SweepPoint {
  readonly name: string;
  readonly mu: number;
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
}

const ordinal = "ordinal" as const;
const quantitative = "quantitative" as const;

/** Shares as coloured cells with their percent; with a sweep of mu, its curves with their intervals above. */
export function heatMap(
  { title, rowTitle, columnTitle, cells }: HeatMap,
  sweep: readonly SweepPoint[] = [],
): TopLevelSpec {
  const map = {
    title,
    data: { values: [...cells] },
    width: { step: 54 },
    height: { step: 26 },
    encoding: {
      x: { field: "column", type: ordinal, sort: null, title: columnTitle, axis: { labelAngle: 0 } },
      y: { field: "row", type: ordinal, sort: null, title: rowTitle },
    },
    layer: [
      {
        mark: { type: "rect" as const },
        encoding: {
          color: {
            field: "value",
            type: quantitative,
            scale: { domain: [0, 1], scheme: "viridis" as const },
            legend: { format: ".0%", title: null },
          },
        },
      },
      {
        mark: { type: "text" as const },
        encoding: {
          text: { field: "value", type: quantitative, format: ".0%" },
          color: { condition: { test: "datum.value > 0.6", value: "black" }, value: "white" },
        },
      },
    ],
  };
  const background = "white";
  if (sweep.length === 0) return { background, ...map };
  const names = [...new Set(sweep.map(({ name }) => name))];
  return { background, vconcat: [{ hconcat: names.map((name) => panel(name, sweep)) }, map] };
}

function panel(name: string, sweep: readonly SweepPoint[]) {
  return {
    width: 200,
    height: 160,
    data: { values: sweep.filter((point) => point.name === name) },
    encoding: { x: { field: "mu", type: quantitative, title: "mu, the memory's share" } },
    layer: [
      {
        mark: { type: "line" as const, point: true },
        encoding: {
          y: { field: "value", type: quantitative, title: name.replaceAll("_", " "), scale: { zero: false } },
        },
      },
      {
        mark: { type: "rule" as const },
        encoding: {
          y: { field: "low", type: quantitative, title: name.replaceAll("_", " ") },
          y2: { field: "high" },
        },
      },
    ],
  };
}
