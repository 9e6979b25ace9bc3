import { readdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { InputError } from "../errors.js";
import { fileError } from "../io/byte-source.js";
import { isFolder } from "../io/path-kind.js";

/** The names in a folder, in order; none when there is no such folder. @throws InputError when it is a file. */
export async function namesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return [];
    if (error.code === "ENOTDIR") throw new InputError(folder, "is a file, expected a folder");
    throw fileError(folder, error);
  });
  return found.sort();
}

/** @param but names that may be there. @throws InputError when a folder holds something that would be written over. */
export async function requireEmpty(
  folder: string,
  advice: string,
  but: readonly string[] = [],
): Promise<void> {
  const name = (await namesIn(folder)).find((name) => !but.includes(name));
  if (name !== undefined) throw new InputError(folder, `is not empty (${name}); ${advice}`);
}

/** Before long work: whether its result can be written at the end. @throws InputError when a file's folder is not there. */
export async function requireFolderOf(file: string | undefined): Promise<void> {
  if (file === undefined || (await isFolder(dirname(resolve(file))))) return;
  throw new InputError(file, "cannot be written: its folder does not exist; make it, or check the path");
}
