import picomatch from "picomatch";
import { isDynamicPattern } from "tinyglobby";
import { parse } from "yaml";
import { z } from "zod";
import { withinTime } from "#time-limit";
import { InputError } from "../errors.js";
import { headerOf } from "../io/front-matter.js";

/** Files of the hub that hold no rows. */
const notRows =
  /(^|\/)(\.[^/]*|README\.[^/]*|LICENSE\.[^/]*|(config|dataset_infos?|dataset_dict|state)\.json)$/i;

/** What a split is called in names of files and folders. */
const words: Readonly<Record<string, readonly string[]>> = {
  train: ["train", "training"],
  validation: ["validation", "valid", "dev", "val"],
  test: ["test", "testing", "eval", "evaluation"],
};

const pathsSchema = z.union([z.string(), z.array(z.string())]);
const configSchema = z.looseObject({
  config_name: z.string().optional(),
  data_dir: z.string().optional(),
  default: z.boolean().optional(),
  data_files: z
    .union([
      pathsSchema,
      z.array(z.looseObject({ split: z.string(), path: pathsSchema })),
      z.record(z.string(), pathsSchema),
    ])
    .optional(),
});
type DataConfig = z.output<typeof configSchema>;

/** A data set of the hub, as far as its files' names tell. */
export interface DatasetListing {
  /** What errors call it. */
  readonly where: string;
  /** The files that are there, as paths. */
  readonly paths: readonly string[];
  /** Its card, whose header may say which files are which split. */
  readonly card: string | undefined;
}

/** Which of them are wanted. */
export interface SplitChoice {
  /** A folder, a file, a pattern, or a configuration that the card names. */
  readonly subfolder?: string | undefined;
  /** Without it `train`, where there is more than one. */
  readonly split?: string | undefined;
}

/**
 * The files of a split: by the card, if it says so; otherwise by their names, such as `train.jsonl`, `data/test-0000.parquet`
 * or `dev/rows.csv`. Files that name no split, beside none that do, are `train`.
 *
 * @param isData whether a path is that of a file that can be read.
 * @throws InputError when there is none, or a choice.
 */
export function filesOfSplit(
  listing: DatasetListing,
  { subfolder, split }: SplitChoice,
  isData: (path: string) => boolean,
): string[] {
  const paths = listing.paths.filter((path) => isData(path) && !notRows.test(path)).sort();
  const splits = splitsOf({ ...listing, paths }, subfolder);
  const where = [listing.where, ...(subfolder === undefined ? [] : [subfolder])].join("/");
  const known = [...splits.keys()];
  if (known.length === 0) {
    const there = listing.paths.slice(0, 12).join(", ");
    const advice = "revision refs/convert/parquet of many data sets has Parquet files";
    throw new InputError(where, `has no data file that can be read; it has ${there}; ${advice}`);
  }
  const chosen = split ?? (known.length === 1 ? known[0]! : "train");
  const files = splits.get(chosen);
  if (files) return files;
  throw new InputError(where, `has no split ${chosen}; choose one of ${known.join(", ")} with --split`);
}

/** The files by split. */
function splitsOf(listing: DatasetListing, subfolder: string | undefined): Map<string, string[]> {
  const { where, paths, card } = listing;
  const configs = configsIn(card, where);
  const config = configs.find(({ config_name }) => config_name !== undefined && config_name === subfolder);
  if (config) return byCard(config, listing);
  if (subfolder !== undefined) {
    if (paths.includes(subfolder)) return new Map([["train", [subfolder]]]);
    const isPattern = isDynamicPattern(subfolder);
    const fits = isPattern ? picomatch(subfolder) : (path: string) => path.startsWith(`${subfolder}/`);
    return byNames(fitting(paths, fits, where), isPattern ? "" : subfolder);
  }
  if (configs.length === 0) return byNames(paths, "");
  const usual = configs.find((one) => one.default) ?? configs.find((one) => one.config_name === "default");
  if (usual ?? configs.length === 1) return byCard((usual ?? configs[0])!, listing);
  const names = configs.map(({ config_name }) => `${where}/${config_name}`);
  throw new InputError(where, `has ${configs.length} configurations, name one of them: ${names.join(", ")}`);
}

/** The paths that fit a pattern. @throws InputError when that takes longer than anyone waits: patterns come from cards. */
function fitting(paths: readonly string[], fits: (path: string) => boolean, where: string): string[] {
  const found = withinTime(() => paths.filter((path) => fits(path)));
  if (found) return found.value;
  throw new InputError(where, "has a pattern of file names that takes too long to match; name the files");
}

/** The configurations with files that a card's header lists. */
function configsIn(card: string | undefined, where: string): DataConfig[] {
  const header = headerOf(card ?? "");
  if (header === undefined) return [];
  let fields: unknown;
  try {
    fields = parse(header);
  } catch (error) {
    throw new InputError(
      `${where}: README.md`,
      "has a header that is no YAML; name the files: a folder or a pattern",
      {
        cause: error,
      },
    );
  }
  const listed = z.looseObject({ configs: z.array(configSchema) }).safeParse(fields);
  return listed.success
    ? listed.data.configs.filter(({ data_files, data_dir }) => data_files ?? data_dir)
    : [];
}

function byCard(
  { data_files, data_dir }: DataConfig,
  { where, paths }: DatasetListing,
): Map<string, string[]> {
  const folder = data_dir === undefined ? "" : `${data_dir.replace(/^\.?\/|\/$/g, "")}/`;
  if (data_files === undefined) {
    return byNames(
      paths.filter((path) => path.startsWith(folder)),
      folder,
    );
  }
  const splits = new Map<string, string[]>();
  for (const [split, patterns] of patternsIn(data_files)) {
    const fits = picomatch([patterns].flat().map((pattern) => folder + pattern.replace(/^\.\//, "")));
    const files = fitting(paths, fits, where);
    if (files.length > 0) splits.set(split, files);
  }
  return splits;
}

type Paths = z.output<typeof pathsSchema>;

function patternsIn(files: NonNullable<DataConfig["data_files"]>): [string, Paths][] {
  if (typeof files === "string") return [["train", files]];
  if (!Array.isArray(files)) return Object.entries(files);
  const patterns = files.filter((file) => typeof file === "string");
  const splits = files.filter((file) => typeof file !== "string");
  return [
    ...(patterns.length > 0 ? [["train", patterns] as [string, Paths]] : []),
    ...splits.map(({ split, path }): [string, Paths] => [split, path]),
  ];
}

function byNames(paths: readonly string[], folder: string): Map<string, string[]> {
  const named = groupBy(paths, (path) => splitIn(path.slice(folder.length)) ?? "");
  const unnamed = named.get("") ?? [];
  named.delete("");
  if (named.size > 0) return named;
  return unnamed.length > 0 ? new Map([["train", unnamed]]) : new Map();
}

/** Things by what they have in common, in their order. */
export function groupBy<T>(things: readonly T[], keyOf: (thing: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    const key = keyOf(thing);
    const group = groups.get(key);
    if (group) group.push(thing);
    else groups.set(key, [thing]);
  }
  return groups;
}

/** The split that a path names: in the file's name, or in a folder's. */
function splitIn(path: string): string | undefined {
  const [file = "", ...folders] = path.split("/").reverse();
  return wordIn(file) ?? /^(\w+)-\d{5}-of-\d{5}\./.exec(file)?.[1] ?? folders.map(wordIn).find(Boolean);
}

function wordIn(name: string): string | undefined {
  const parts = new Set(name.toLowerCase().split(/[^a-z]+/));
  return Object.keys(words).find((split) => words[split]!.some((word) => parts.has(word)));
}
