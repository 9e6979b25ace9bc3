import { dirname, resolve } from "node:path";
import { InputError } from "../errors.js";
import { type Metrics, metricsFile, readMetricsLines } from "../io/metrics.js";
import { pathInside } from "../io/model-folder.js";
import { isFolder } from "../io/path-kind.js";

/** The metrics of a run, under a name that tells it from others. */
export interface NamedRun {
  readonly name: string;
  readonly metrics: readonly Metrics[];
}

/**
 * Reads the metrics of runs: their folders, or their `metrics.jsonl`.
 *
 * @throws InputError naming what is missing, empty or wrong.
 */
export async function readRuns(paths: readonly string[]): Promise<NamedRun[]> {
  const files = await Promise.all(
    paths.map(async (path) => ((await isFolder(path)) ? pathInside(path, metricsFile) : path)),
  );
  const names = distinctNames(files.map((file) => dirname(resolve(file))));
  return Promise.all(
    files.map(async (file, i) => {
      const lines = await readMetricsLines(file);
      if (lines === undefined) {
        throw new InputError(file, "does not exist; give the folder of a training run, which has one");
      }
      if (lines.length === 0) throw new InputError(file, "has no metrics yet; wait for the run's first step");
      return { name: names[i]!, metrics: lines.map(({ metrics }) => metrics) };
    }),
  );
}

/**
 * The last name of each folder; with as many of those above it as tell them apart.
 *
 * @throws InputError when a folder is given twice.
 */
export function distinctNames(folders: readonly string[]): string[] {
  const again = folders.find((folder, i) => folders.indexOf(folder) < i);
  if (again !== undefined) throw new InputError(again, "is given twice");
  const parts = folders.map((folder) => folder.split(/[\\/]/));
  const namesOf = (depth: number) => parts.map((names) => names.slice(-depth).join("/"));
  let depth = 1;
  while (new Set(namesOf(depth)).size < folders.length) depth++;
  return namesOf(depth);
}
