import { extname, join } from "node:path";
import { hub } from "#hub";
import { InputError } from "../errors.js";
import type { HubObserver } from "../io/hub/hub.js";
import type { HubId } from "../io/hub/hub-id.js";
import { readTextFile } from "../io/json-file.js";
import { filesOfSplit, groupBy } from "./splits.js";

/** The endings of data files, in folders and on the hub. */
export const extensions = ["json", "jsonl", "ndjson", "csv", "tsv", "parquet", "txt"];

/** How data sets of the hub are read. */
export interface HubDataOptions {
  /** The split. Default: `train`, where there is more than one. */
  readonly split?: string | undefined;
  /** Told of downloads. */
  readonly hubObserver?: HubObserver | undefined;
}

/**
 * Downloads the files of a split, unless they are in the cache.
 *
 * @returns their paths on this machine.
 * @throws InputError when there is no such data set or split, or it cannot be had.
 */
export async function filesOfHub(id: HubId, { split, hubObserver }: HubDataOptions): Promise<string[]> {
  const repo = await hub.openRepo("dataset", id, hubObserver);
  const { name: where, subfolder } = id;
  const card = repo.files.has("README.md") ? join(await repo.get(["README.md"]), "README.md") : undefined;
  const listing = { where, paths: [...repo.files.keys()], card: card && (await readTextFile(card)) };
  const files = filesOfSplit(listing, { subfolder, split }, (path) => extensions.includes(endingOf(path)));
  const endings = [...new Set(files.map(endingOf))];
  if (new Set(endings.map((ending) => ending.replace(/^(jsonl|ndjson)$/, "json"))).size > 1) {
    const patterns = endings.map((ending) => `${where}/**/*.${ending}`).join(", ");
    throw new InputError(
      where,
      `has files of several kinds, which may be the same rows; name some: ${patterns}`,
    );
  }
  if (!repo.complete) requireAllParts(where, files);
  const folder = await repo.get(files);
  return files.map((file) => join(folder, file));
}

const endingOf = (path: string): string => extname(path).slice(1).toLowerCase();

/** Files that say how many they are must all be there. @throws InputError when the cache has only some. */
function requireAllParts(where: string, files: readonly string[]): void {
  const numbered = /^(.*)-\d{5}-of-(\d{5})\b/;
  const parts = groupBy(
    files.filter((file) => numbered.test(file)),
    (file) => numbered.exec(file)!.slice(1).join("-of-"),
  );
  for (const [name, found] of parts) {
    const expected = Number(name.slice(-5));
    if (found.length === expected) continue;
    throw new InputError(
      where,
      `has ${expected} files ${name}, the cache has ${found.length}; unset HF_HUB_OFFLINE`,
    );
  }
}
