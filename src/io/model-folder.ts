import { errorCode, InputError } from "../errors.js";
import { fileError } from "./byte-source.js";

/** A snapshot of the hub's cache (`models--org--name/snapshots/<revision>`, or a folder in it): its files are links into `blobs`. */
const snapshot = /^(.*[\\/](?:models|datasets|spaces)--[^\\/]+)[\\/]snapshots[\\/][^\\/]+(?:[\\/]|$)/;

/**
 * The path of a file or folder inside a folder that may be anybody's: a link that leads out of it is not followed, or
 * the folder could have any file read. The hub's cache is made of links, which may lead to its own `blobs`.
 *
 * @param name of one that need not be there; from a file of the folder or from the program.
 * @throws InputError when the name or a link leads out of the folder.
 */
export async function pathInside(folder: string, name: string): Promise<string> {
  const path = `${folder}/${name}`;
  // Also what only Windows takes for a drive or a separator: a folder means the same everywhere.
  if (name.startsWith("/") || /\\|\0|:/.test(name) || name.split("/").includes("..")) {
    throw new InputError(path, "leads out of its folder; name a file in it");
  }
  const { realpath } = await import("node:fs/promises");
  const { sep } = await import("node:path");
  const [root, real] = await Promise.all([realpath(folder), realpath(path)]).catch((error: unknown) => {
    // What is not there, whoever opens it tells.
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return [];
    throw fileError(path, error);
  });
  if (root === undefined || real === undefined) return path;
  const isIn = (outer: string) =>
    real === outer || real.startsWith(outer.endsWith(sep) ? outer : outer + sep);
  const [, repository] = snapshot.exec(root) ?? [];
  if (isIn(root) || (repository !== undefined && isIn(`${repository}${sep}blobs`))) return path;
  throw new InputError(
    path,
    `is a link that leads out of ${root} to ${real}; put the file itself there, or name the folder that it is in`,
  );
}
