import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../io/atomic-file.js";
import { readJsonFile } from "../io/json-file.js";
import { parseWith } from "../io/validate.js";
import { intervalMethods } from "./intervals.js";
import type { Metric, TaskResult } from "./result.js";

/** JSON knows no NaN: a number that could not be measured is null. */
const measured = z.number().nullable();

const metricSchema = z.looseObject({
  name: z.string(),
  value: measured,
  interval: z.tuple([z.number(), z.number()]).nullable(),
  interval_method: z.enum(intervalMethods),
  count: z.int().nonnegative(),
  where: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});

const names = z.record(z.string(), z.unknown());

/** What `tptt eval --out` writes; docs/evaluating.md describes it. */
const evaluationSchema = z.looseObject({
  format: z.literal("tptt-evaluation", "expected a result of tptt eval"),
  format_version: z.literal(1),
  task: z.string(),
  created: z.string(),
  model: z.looseObject({
    name: z.string(),
    model_type: z.string(),
    memory: z.enum(["off", "mixed", "only"]),
    mag_weight: measured,
    /** The SHA-256 of the file of its trained weights: a card has no figures of others. */
    trained_weights: z.string().optional(),
  }),
  data: z.looseObject({
    name: z.string(),
    /** The data set of the hub that all of it is from, and its split. */
    hub_id: z.string().optional(),
    split: z.string().optional(),
    fingerprint: z.string(),
    examples: z.int().nonnegative(),
  }),
  metrics: z.array(metricSchema),
  breakdown: z.array(metricSchema).optional(),
  heat_map: z.looseObject({ metric: z.string(), row: z.string(), column: z.string() }).optional(),
  notes: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  samples: z
    .array(z.looseObject({ prompt: z.string(), expected: z.string(), answer: z.string() }))
    .optional(),
  options: names,
  versions: z.record(z.string(), z.string()),
});

/** A result of `tptt eval`, as it is on disk. */
export type Evaluation = z.infer<typeof evaluationSchema>;

/** What an evaluation knows beside what the task measured. */
export type EvaluationContext = Pick<
  Evaluation,
  "task" | "created" | "model" | "data" | "options" | "versions"
>;

/** A task's result in the form of the file. */
export function toEvaluation(context: EvaluationContext, result: TaskResult): Evaluation {
  const { metrics, breakdown, heatMap, notes, samples } = result;
  const { task, created, model, data, options, versions } = context;
  return {
    format: "tptt-evaluation",
    format_version: 1,
    task,
    created,
    model,
    data,
    metrics: metrics.map(fileMetric),
    ...(breakdown ? { breakdown: breakdown.map(fileMetric) } : {}),
    ...(heatMap ? { heat_map: { ...heatMap } } : {}),
    ...(notes ? { notes: { ...notes } } : {}),
    ...(samples ? { samples: samples.map((sample) => ({ ...sample })) } : {}),
    options,
    versions,
  };
}

function fileMetric({ name, value, interval, method, count, where }: Metric): Evaluation["metrics"][number] {
  const [low, high] = interval;
  return {
    name,
    value: Number.isFinite(value) ? value : null,
    interval: Number.isFinite(low) && Number.isFinite(high) ? [low, high] : null,
    interval_method: method,
    count,
    ...(where ? { where: { ...where } } : {}),
  };
}

/** Writes a result; into a folder as `eval-<task>.json`. @returns the file's path. */
export async function writeEvaluation(path: string, evaluation: Evaluation): Promise<string> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, evaluationFile(evaluation.task)) : path;
  await writeFileAtomic(file, `${JSON.stringify(evaluation, null, 2)}\n`);
  return file;
}

/** The name of a task's result in a folder. */
export const evaluationFile = (task: string): string => `eval-${task}.json`;

/** Reads a result. @throws InputError naming the file and the field that is missing or wrong. */
export async function readEvaluation(path: string): Promise<Evaluation> {
  return parseWith(evaluationSchema, await readJsonFile(path), path);
}
