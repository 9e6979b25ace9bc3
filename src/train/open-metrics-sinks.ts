import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { metricsFile } from "../io/metrics.js";
import type { TrainingArguments } from "./arguments.js";
import { MetricsFile } from "./metrics-file.js";
import type { MetricsSink } from "./metrics-sink.js";
import { TensorBoardFile } from "./tensorboard-file.js";

/**
 * Where a run's metrics go: `metrics.jsonl` in its folder, and what `reportTo` names.
 *
 * @param resumedAt the step that the run goes on after; undefined for a new one.
 */
export async function openMetricsSinks(
  outputDir: string,
  { reportTo, loggingDir = join(outputDir, "runs") }: TrainingArguments,
  resumedAt: number | undefined,
): Promise<MetricsSink[]> {
  await mkdir(outputDir, { recursive: true });
  const path = join(outputDir, metricsFile);
  const file = resumedAt === undefined ? MetricsFile.create(path) : MetricsFile.resume(path, resumedAt);
  return [await file, ...(reportTo === "tensorboard" ? [new TensorBoardFile(loggingDir, resumedAt)] : [])];
}
