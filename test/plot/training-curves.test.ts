import { expect, test } from "vitest";
import { renderSvg } from "../../src/plot/render.js";
import { trainingCurves } from "../../src/plot/training-curves.js";

const run = (steps: number, evaluated = true) => [
  ...Array.from({ length: steps }, (_, i) => ({
    step: i + 1,
    loss: 8 / (i + 1),
    grad_norm: 1 + (i % 3),
    learning_rate: 1e-3 * (1 - i / steps),
    mag_weight: i / steps,
  })),
  ...(evaluated ? [{ step: steps, eval_loss: 2 }] : []),
];

/** The lines in an SVG: how many points they have, and their color. */
const linesIn = (svg: string) =>
  [...svg.matchAll(/"line mark" d="([^"]*)" stroke="([^"]*)"/g)].map(([, path, color]) => ({
    points: path!.split(/[ML]/).length - 1,
    color,
  }));

test("a run has a curve in each of the four panels, and its held-out loss in the first", async () => {
  const svg = await renderSvg(trainingCurves([{ name: "one", metrics: run(20) }]));
  for (const title of ["loss per token", "mu, the memory's share", "norm of the gradient", "learning rate"])
    expect(svg).toContain(`>${title}</text>`);
  expect(svg).toContain(">held out</text>");
  expect(svg).not.toContain(">one</text>");
  expect(linesIn(svg).map(({ points }) => points)).toEqual([20, 1, 20, 20, 20]);
});

test("several runs have a color each and a legend; a metric that one lacks is left out of it", async () => {
  const learned = run(8, false).map((line) => ({ ...line, mag_weight: undefined }));
  const svg = await renderSvg(
    trainingCurves([
      { name: "a & b", metrics: run(5, false) },
      { name: "c", metrics: learned },
    ]),
  );
  expect(svg).toContain(">a &amp; b</text>");
  expect(svg).toContain(">c</text>");
  expect(svg).not.toContain(">held out</text>");
  const lines = linesIn(svg);
  expect(lines.map(({ points }) => points)).toEqual([5, 8, 5, 5, 8, 5, 8]);
  expect(new Set(lines.map(({ color }) => color)).size).toBe(2);
});

test("a long run is drawn by means over equal spans, up to its last step", () => {
  const spec = trainingCurves([{ name: "long", metrics: run(10_001, false) }]);
  const [first] = (spec as unknown as { vconcat: { hconcat: { data: { values: object[] } }[] }[] }).vconcat;
  const { values } = first!.hconcat[1]!.data;
  expect(values).toHaveLength(500);
  expect(values.at(-1)).toMatchObject({ step: 10_001, kind: "training" });
  // mu rises evenly: the mean over a span is that of its middle.
  expect(values[0]).toEqual({ run: "long", kind: "training", step: 20, value: expect.closeTo(9.5 / 10_001) });
});
