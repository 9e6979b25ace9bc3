import { join } from "node:path";
import { expect, test } from "vitest";
import { magWeightSeries, readMetricsLines, seriesOf } from "../../src/io/metrics.js";
import { temporaryFolder } from "../models/fixture.js";

test("a metric is followed over the steps that it was measured at", () => {
  const metrics = [
    { step: 1, loss: 3 },
    { step: 1, eval_loss: 2 },
    { step: 2, loss: Number.NaN },
    { step: 3, loss: 1 },
  ];
  expect(seriesOf(metrics, "loss")).toEqual({ steps: [1, 3], values: [3, 1] });
  expect(seriesOf(metrics, "grad_norm")).toEqual({ steps: [], values: [] });
});

test("mu is 0 at steps that leave the memories out", () => {
  const metrics = [
    { step: 1, mag_weight: 0.5, disable_linear_attn: true },
    { step: 2, mag_weight: 0.5, disable_linear_attn: false },
    { step: 2, eval_loss: 1 },
  ];
  expect(magWeightSeries(metrics)).toEqual({ steps: [1, 2], values: [0, 0.5] });
});

test("a file that is not there has no lines", async () => {
  expect(await readMetricsLines(join(await temporaryFolder(), "metrics.jsonl"))).toBeUndefined();
});
