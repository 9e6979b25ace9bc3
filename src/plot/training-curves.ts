import type { TopLevelSpec } from "vega-lite";
import { type Metrics, magWeightSeries, type Series, seriesOf } from "../io/metrics.js";

/** A run as it is drawn. */
export interface RunCurves {
  /** Its name in the legend. */
  readonly name: string;
  readonly metrics: readonly Metrics[];
}

/** Points of a curve at most; a longer one is drawn by its means over equal spans. */
const mostPoints = 500;

interface Point {
  readonly run: string;
  readonly kind: string;
  readonly step: number;
  readonly value: number;
}

/** A curve with its points in a panel. */
const panels = [
  {
    title: "loss per token",
    curves: [
      { kind: "training", series: (metrics: readonly Metrics[]) => seriesOf(metrics, "loss") },
      { kind: "held out", series: (metrics: readonly Metrics[]) => seriesOf(metrics, "eval_loss") },
    ],
  },
  { title: "mu, the memory's share", curves: [{ kind: "training", series: magWeightSeries }] },
  {
    title: "norm of the gradient",
    curves: [{ kind: "training", series: (metrics: readonly Metrics[]) => seriesOf(metrics, "grad_norm") }],
  },
  {
    title: "learning rate",
    curves: [
      { kind: "training", series: (metrics: readonly Metrics[]) => seriesOf(metrics, "learning_rate") },
    ],
  },
] as const;

/** Loss (of training and held out), mu, gradient norm and learning rate against the steps of one or several runs. */
export function trainingCurves(runs: readonly RunCurves[]): TopLevelSpec {
  const drawn = panels.map(({ title, curves }) => ({
    title,
    points: runs.flatMap(({ name, metrics }) =>
      curves.flatMap(({ kind, series }) => pointsOf(name, kind, series(metrics))),
    ),
  }));
  const domain = runs.map(({ name }) => name);
  const hasHeldOut = drawn.some(({ points }) => points.some(({ kind }) => kind === "held out"));
  const [loss, ...others] = drawn.map(({ title, points }) => panel(title, points, domain, hasHeldOut));
  return {
    background: "white",
    vconcat: [{ hconcat: [loss!, others[0]!] }, { hconcat: [others[1]!, others[2]!] }],
    config: { axis: { labelOverlap: "greedy" }, legend: { labelLimit: 300 } },
  };
}

/** A line for training, dashes for what is held out. */
const dashes = [
  [1, 0],
  [5, 3],
];

function panel(title: string, points: readonly Point[], runs: readonly string[], hasHeldOut: boolean) {
  const nominal = "nominal" as const;
  const quantitative = "quantitative" as const;
  const legend = { orient: "bottom" as const, title: null, columns: 1 };
  return {
    width: 340,
    height: 200,
    data: { values: [...points] },
    encoding: {
      x: { field: "step", type: quantitative, title: "step" },
      y: { field: "value", type: quantitative, title, scale: { zero: false } },
      color: {
        field: "run",
        type: nominal,
        scale: { domain: [...runs] },
        legend: runs.length > 1 ? { ...legend, symbolType: "stroke", symbolStrokeWidth: 3 } : null,
      },
    },
    layer: [
      {
        mark: { type: "line" as const, strokeWidth: 1.5 },
        encoding: {
          strokeDash: {
            field: "kind",
            type: nominal,
            scale: { domain: ["training", "held out"], range: dashes },
            legend: hasHeldOut ? { ...legend, symbolType: "stroke", symbolSize: 600 } : null,
          },
        },
      },
      {
        transform: [{ filter: "datum.kind === 'held out'" }],
        mark: { type: "point" as const, filled: true, size: 30 },
      },
    ],
  };
}

const pointsOf = (run: string, kind: string, series: Series): Point[] => {
  const { steps, values } = thinned(series);
  return steps.map((step, i) => ({ run, kind, step, value: values[i]! }));
};

/** At most {@link mostPoints} points: the last step of each span of equally many, and the mean over it. */
function thinned({ steps, values }: Series): Series {
  if (steps.length <= mostPoints) return { steps, values };
  const ends = Array.from({ length: mostPoints }, (_, i) =>
    Math.round(((i + 1) * steps.length) / mostPoints),
  );
  return {
    steps: ends.map((end) => steps[end - 1]!),
    values: ends.map((end, i) => {
      const span = values.slice(ends[i - 1] ?? 0, end);
      return span.reduce((a, b) => a + b, 0) / span.length;
    }),
  };
}
