import { stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { escapePath, glob, isDynamicPattern } from "tinyglobby";
import { InputError } from "../errors.js";
import { fileError, openFile } from "../io/byte-source.js";
import { type HubId, parseHubId } from "../io/hub/hub-id.js";
import { exists } from "../io/path-kind.js";
import { extensions, filesOfHub, type HubDataOptions } from "./hub-dataset.js";
import { openJsonArray } from "./rows/array-rows.js";
import { openCsv } from "./rows/csv-rows.js";
import { openJsonLines } from "./rows/line-rows.js";
import { openParquet } from "./rows/parquet-rows.js";
import type { RowFile } from "./rows/row-file.js";
import { openText } from "./rows/text-rows.js";

/**
 * The files that a data set's name stands for: this is the one place where names become paths. A name is a file, a
 * folder (all data files in it, at any depth), a pattern such as `data/train-*.parquet`, or, when none of these is
 * there, a data set of the hub (`org/name[@revision][/folder, file, pattern or configuration]`), of which the files of a
 * split are downloaded.
 *
 * @returns paths in the order of their names, for each name.
 * @throws InputError naming what does not exist or holds no data.
 */
export async function datasetFiles(
  names: readonly string[],
  options: HubDataOptions = {},
): Promise<string[]> {
  const files = [];
  for (const name of names) files.push(...(await filesOf(name, options)));
  return files;
}

async function filesOf(name: string, options: HubDataOptions): Promise<string[]> {
  const found = await stat(name).catch((error: unknown) => fileError(name, error));
  if (!(found instanceof Error)) {
    refuseSplit(name, options);
    if (!found.isDirectory()) return [name];
    const files = await sorted(`**/*.{${extensions.join(",")}}`, name);
    if (files.length > 0) return files.map((file) => join(name, file));
    throw new InputError(name, `holds no data file, expected ${extensions.map((e) => `.${e}`).join(", ")}`);
  }
  if (isDynamicPattern(name)) {
    const files = await sorted(name, ".");
    if (files.length > 0) refuseSplit(name, options);
    if (files.length > 0) return files;
  }
  const id = parseHubId(name);
  if (id) return filesOfHub(id, options);
  throw isDynamicPattern(name) ? new InputError(name, "matches no file; check the pattern") : found;
}

function refuseSplit(name: string, { split }: HubDataOptions): void {
  if (split === undefined) return;
  throw new InputError(
    "--split",
    `is ${split}, but ${name} is a local path; name the files of the split instead`,
  );
}

const sorted = async (pattern: string, cwd: string): Promise<string[]> =>
  (await glob(pattern, { cwd, caseSensitiveMatch: false, expandDirectories: false })).sort();

/**
 * What a data set's name stands for, so that it means the same from any folder: a data set of the hub, or an absolute path
 * or pattern.
 */
export async function datasetPlace(name: string): Promise<HubId | string> {
  if (await exists(name)) return resolve(name);
  const isPattern = isDynamicPattern(name);
  if (!isPattern || (await sorted(name, ".")).length === 0) {
    const id = parseHubId(name);
    if (id) return id;
  }
  // Of a pattern that part alone is one which was given.
  return isPattern ? resolve(escapePath(process.cwd()), name) : resolve(name);
}

/** Opens a file as what its name's ending says; a `.json` file that begins with an object has one a line. */
export async function openRows(path: string, columns: readonly string[]): Promise<RowFile> {
  const source = await openFile(path);
  try {
    switch (extname(path).toLowerCase()) {
      case ".json": {
        const start = Buffer.from(await source.read(0, Math.min(source.size, 1024))).toString();
        return /^\uFEFF?\s*\{/.test(start) ? openJsonLines(source) : openJsonArray(source);
      }
      case ".jsonl":
      case ".ndjson":
        return openJsonLines(source);
      case ".csv":
        return openCsv(source, ",");
      case ".tsv":
        return openCsv(source, "\t");
      case ".parquet":
        return await openParquet(source, columns);
      default:
        return openText(source);
    }
  } catch (error) {
    await source.close();
    throw error;
  }
}
