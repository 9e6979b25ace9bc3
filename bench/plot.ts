import { renderSvg } from "#dist/plot/render.js";

/** A point of a plot of growth. */
export interface GrowthPoint {
  readonly value: number;
  readonly seconds: number;
  readonly gigabytes: number;
}

/** Seconds and memory of a training step against one size, as an SVG of two plots side by side. */
export function growthPlot(axis: string, points: readonly GrowthPoint[]): Promise<string> {
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
  return renderSvg({
    background: "white",
    data: { values: [...points] },
    hconcat: [panel("seconds", "seconds of a step"), panel("gigabytes", "peak memory, GB")],
    config: { axis: { labelOverlap: "greedy" } },
  });
}
