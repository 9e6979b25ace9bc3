import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { metricsFile } from "../io/metrics.js";
import { pathInside } from "../io/model-folder.js";
import type { TrainingArguments } from "./arguments.js";
import { MetricsFile } from "./metrics-file.js";
import type { MetricsSink } from "./metrics-sink.js";
import { TensorBoardFile } from "./tensorboard-file.js";

/**
 * Where a run's metrics go: `metrics.jsonl` in its folder, and what `reportTo` names.
 *
 * @param resumedAt the step that the run goes on after; undefined for a new one.
 * @throws InputError when the file of a run that goes on, or a folder `runs`, is a link that leads out of the run's folder.
 */
export async function openMetricsSinks(
  outputDir: string,
  { reportTo, loggingDir }: TrainingArguments,
  resumedAt: number | undefined,
): Promise<MetricsSink[]> {
  await mkdir(outputDir, { recursive: true });
  const events =
    reportTo === "tensorboard" ? (loggingDir ?? (await pathInside(outputDir, "runs"))) : undefined;
  const file =
    resumedAt === undefined
      ? await MetricsFile.create(join(outputDir, metricsFile))
      : await MetricsFile.resume(await pathInside(outputDir, metricsFile), resumedAt);
  return [file, ...(events === undefined ? [] : [new TensorBoardFile(events, resumedAt)])];
}
