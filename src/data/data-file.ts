import { basename } from "node:path";

/** A file that examples come from. */
export interface DataFile {
  /** Its name; of a file of the hub, its path in the repository. */
  readonly name: string;
  /** The data set of the hub that it belongs to. */
  readonly hubId?: string;
  /** Records that were read. */
  readonly records: number;
  /** Rows that were left out, for they could not be read. */
  readonly malformed: number;
}

/** What a file is called where others read it, who have other folders: not by its whole path. */
export function nameOfDataFile(path: string): Pick<DataFile, "name" | "hubId"> {
  // The standard layout of the hub's cache.
  const [, owner, repository, file] =
    /[\\/]datasets--([^\\/]+?)--([^\\/]+)[\\/]snapshots[\\/][^\\/]+[\\/](.+)$/.exec(path) ?? [];
  if (file === undefined) return { name: basename(path) };
  return { name: file.replaceAll("\\", "/"), hubId: `${owner}/${repository}` };
}
