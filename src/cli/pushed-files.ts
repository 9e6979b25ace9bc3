import { readdir, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { InputError } from "../errors.js";
import { fileError } from "../io/byte-source.js";
import { isObject, type JsonObject, readJsonFile } from "../io/json-file.js";
import { exists } from "../io/path-kind.js";

/**
 * What belongs to a run on this machine, not to the model: hidden, temporary and lock files, checkpoints, the state of the
 * optimizer and the run with its manifest, and the options, which name paths.
 */
const ofRun = [
  /^\./,
  /\.(tmp|lock|takeover|incomplete|torn)$/,
  /^checkpoint-/,
  /^(optimizer|scheduler|rng_state)\./,
  /^(trainer_state|manifest)\.json$/,
  /^train\.yaml$/,
];

/** A folder's files for the hub. */
export interface PushedFiles {
  /** Paths in the folder, in order, with slashes. */
  readonly paths: readonly string[];
  /** Links that lead out of the folder, which are left out. */
  readonly outside: readonly string[];
}

/**
 * The files of a model's folder that others need.
 *
 * @throws InputError when it is no model's.
 */
export async function pushedFiles(folder: string): Promise<PushedFiles> {
  const found = await stat(folder).catch((error: unknown) => {
    throw fileError(folder, error);
  });
  if (!found.isDirectory()) throw new InputError(folder, "is a file, expected the folder of a model");
  const configs = ["config.json", "adapter_config.json"];
  if (!(await exists(join(folder, configs[0]!))) && !(await exists(join(folder, configs[1]!)))) {
    throw new InputError(
      folder,
      `holds no model: neither ${configs.join(" nor ")}; give the folder of a titan, an adapter or a model`,
    );
  }
  const root = await realpath(folder);
  const paths: string[] = [];
  const outside: string[] = [];
  const visit = async (inside: string): Promise<void> => {
    for (const name of (await readdir(join(root, inside))).sort()) {
      if (ofRun.some((pattern) => pattern.test(name))) continue;
      const path = join(inside, name);
      const real = await realpath(join(root, path)).catch(() => undefined);
      if (real === undefined || !real.startsWith(root + sep)) {
        outside.push(path);
        continue;
      }
      const kind = await stat(real);
      // A link to a folder inside is that folder's files again, or a circle.
      if (kind.isDirectory() && relative(root, real) === path) await visit(path);
      else if (kind.isFile()) paths.push(path.replaceAll(sep, "/"));
    }
  };
  await visit("");
  return { paths, outside };
}

/** What the results of evaluations among a folder's files name of this machine: of each that does, the first path. */
export async function pathsTold(
  folder: string,
  { paths }: PushedFiles,
): Promise<{ readonly file: string; readonly path: string }[]> {
  const told: { file: string; path: string }[] = [];
  for (const name of paths.filter((name) => /^eval-[^/]*\.json$/.test(name))) {
    const file = join(folder, name);
    // Whatever else is called like that is pushed as it is.
    const { model, data, options } = await readJsonFile(file).catch((): JsonObject => ({}));
    const [path] = textsIn([model, data, options]).filter((text) => isAbsolute(text));
    if (path !== undefined) told.push({ file, path });
  }
  return told;
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) || isObject(value) ? Object.values(value).flatMap(textsIn) : [];
}
