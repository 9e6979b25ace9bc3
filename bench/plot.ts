import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

/** A point of a plot of growth. */
export interface GrowthPoint {
  readonly value: number;
  readonly seconds: number;
  readonly gigabytes: number;
}

/** Seconds and memory of a training step against one size, as an SVG of two plots side by side. */
export async function growthPlot(axis: string, points: readonly GrowthPoint[]): Promise<string> {
  const panel = (field: keyof GrowthPoint, title: string) => ({
    width: 280,
    height: 200,
    mark: { type: "line" as const, point: true, color: "#4269d0" },
    encoding: {
      x: {
        field: "value",
        type: "quantitative" as const,
        title: axis,
        axis: { values: points.map((p) => p.value) },
      },
      y: { field, type: "quantitative" as const, title, scale: { zero: true } },
    },
  });
  const spec: TopLevelSpec = {
    background: "white",
    data: { values: [...points] },
    hconcat: [panel("seconds", "seconds of a step"), panel("gigabytes", "peak memory, GB")],
    config: { axis: { labelOverlap: "greedy" } },
  };
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
