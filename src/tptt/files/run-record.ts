import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Dataset } from "../../data/dataset.js";
import { errorCode } from "../../errors.js";
import { writeFileAtomic } from "../../io/atomic-file.js";
import { readJsonFile, readJsonFileIfPresent } from "../../io/json-file.js";
import { sha256Of } from "../../io/manifest.js";
import { type Metrics, metricsFile, readMetricsLines } from "../../io/metrics.js";
import { pathInside } from "../../io/model-folder.js";
import { isFile } from "../../io/path-kind.js";
import { parseWith } from "../../io/validate.js";
import { adapterFile } from "./adapter-file.js";

/*
 * What a titan's folder tells of how it was made and measured: `train_results.json`, `metrics.jsonl` and `eval-<task>.json`.
 */

const resultsFile = "train_results.json";

const dataSchema = z.looseObject({
  examples: z.int().nonnegative(),
  fingerprint: z.string(),
  files: z
    .array(
      z.looseObject({
        name: z.string(),
        hub_id: z.string().optional(),
        records: z.int().nonnegative(),
        malformed: z.int().nonnegative(),
      }),
    )
    .optional(),
});

const resultsSchema = z.looseObject({
  steps: z.int().nonnegative(),
  tokens: z.int().nonnegative(),
  arguments: z.record(z.string(), z.unknown()),
  data: dataSchema,
  eval_data: dataSchema.optional(),
});

/** What a finished run says of itself, as it is on disk. */
export type TrainResults = z.infer<typeof resultsSchema>;

/** Examples as {@link TrainResults} tell them. */
export function describeData({ length, fingerprint, files }: Dataset): TrainResults["data"] {
  return {
    examples: length,
    fingerprint,
    ...(files
      ? {
          files: files.map(({ name, hubId, records, malformed }) => ({
            name,
            ...(hubId === undefined ? {} : { hub_id: hubId }),
            records,
            malformed,
          })),
        }
      : {}),
  };
}

/** Writes `train_results.json` into a run's folder. */
export async function writeTrainResults(folder: string, results: TrainResults): Promise<void> {
  await writeFileAtomic(join(folder, resultsFile), `${JSON.stringify(results, null, 2)}\n`);
}

/** What the card shows of an evaluation: the rest of the file is for programs. */
const evaluationSchema = z.looseObject({
  task: z.string(),
  data: z.looseObject({
    name: z.string(),
    hub_id: z.string().optional(),
    split: z.string().optional(),
    examples: z.number().optional(),
  }),
  model: z
    .looseObject({ mag_weight: z.number().nullish(), trained_weights: z.string().optional() })
    .optional(),
  metrics: z.array(
    z.looseObject({
      name: z.string(),
      value: z.number().nullable(),
      interval: z.tuple([z.number(), z.number()]).nullish(),
      count: z.number().optional(),
    }),
  ),
});

/** A result of `tptt eval`. */
export type EvaluationRecord = z.infer<typeof evaluationSchema>;

/** All that a titan's folder tells. */
export interface RunRecord {
  /** None for a titan that was not trained in this folder. */
  readonly metrics: readonly Metrics[];
  readonly results: TrainResults | undefined;
  /** In the order of their tasks; none of weights that the folder no longer has. */
  readonly evaluations: readonly EvaluationRecord[];
}

/** Reads what a folder tells; all of it may be missing. @throws InputError naming the file and field that is wrong. */
export async function readRunRecord(folder: string): Promise<RunRecord> {
  const lines = (await readMetricsLines(await pathInside(folder, metricsFile))) ?? [];
  const where = await pathInside(folder, resultsFile);
  const results = await readJsonFileIfPresent(where);
  return {
    metrics: lines.map(({ metrics }) => metrics),
    results: results && parseWith(resultsSchema, results, where),
    evaluations: await readEvaluations(folder),
  };
}

async function readEvaluations(folder: string): Promise<EvaluationRecord[]> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  });
  const files = names.filter((name) => /^eval-.+\.json$/.test(name)).sort();
  const read = await Promise.all(
    files.map(async (name) => {
      const path = await pathInside(folder, name);
      return parseWith(evaluationSchema, await readJsonFile(path), path);
    }),
  );
  const weights = read.length > 0 ? await trainedWeightsOf(folder) : undefined;
  return read.filter(({ model }) => (model?.trained_weights ?? weights) === weights || weights === undefined);
}

/** What tells trained weights apart: the SHA-256 of their file; undefined where there are none. */
export async function trainedWeightsOf(folder: string): Promise<string | undefined> {
  const path = await pathInside(folder, adapterFile);
  return (await isFile(path)) ? sha256Of(path) : undefined;
}
