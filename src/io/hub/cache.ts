import { copyFile, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { errorCode, InputError } from "../../errors.js";
import { writeFileAtomic } from "../atomic-file.js";
import { type JsonObject, readJsonFile } from "../json-file.js";
import { isFile } from "../path-kind.js";
import type { HubFile } from "./hub.js";
import { isInside, type RepoType } from "./hub-id.js";

/** A commit's hash, and the name of the content of a file. */
export const isCommit = (text: string): boolean => /^[0-9a-f]{40}$/.test(text);
export const isEtag = (text: string): boolean => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);

/**
 * A repository's folder in the cache, in the layout of `huggingface_hub`:
 *
 *     models--org--name/refs/main                     the commit that the branch was at
 *     models--org--name/blobs/<etag>                  the contents, each once
 *     models--org--name/snapshots/<commit>/<path>     relative links to them, or copies where there can be no links
 *     models--org--name/trees/<commit>.json           ours: the files that the commit has, whether here or not
 *     .locks/models--org--name/<etag>.tptt.lock       ours: Python's locks are of another kind
 */
export class RepoCache {
  readonly #folder: string;
  readonly #locks: string;

  constructor(cache: string, type: RepoType, name: string) {
    const folder = [`${type}s`, ...name.split("/")].join("--");
    this.#folder = join(cache, folder);
    this.#locks = join(cache, ".locks", folder);
  }

  /** Makes the folders that files are written to. */
  async prepare(): Promise<void> {
    await mkdir(join(this.#folder, "blobs"), { recursive: true });
    await mkdir(this.#locks, { recursive: true });
  }

  /** Where the content of a file lies. */
  blob(etag: string): string {
    return join(this.#folder, "blobs", etag);
  }

  /** The lock of who downloads a content. */
  lock(etag: string): string {
    return join(this.#locks, `${etag}.tptt.lock`);
  }

  /** The folder of a commit's files. */
  snapshot(commit: string): string {
    return join(this.#folder, "snapshots", commit);
  }

  /** The commit that a branch, tag or ref was at; undefined when it is not known. */
  async readRef(revision: string): Promise<string | undefined> {
    const commit = await readFile(join(this.#folder, "refs", revision), "utf8").catch(() => "");
    return isCommit(commit.trim()) ? commit.trim() : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || (await this.readRef(revision)) === commit) return;
    const path = join(this.#folder, "refs", revision);
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, commit);
  }

  /** The files of a commit, as the hub listed them; undefined when it was never asked, or what is there is damaged. */
  async readTree(commit: string): Promise<Map<string, HubFile> | undefined> {
    try {
      return checkedTree(await readJsonFile(this.#tree(commit)));
    } catch {
      return undefined;
    }
  }

  async writeTree(commit: string, files: ReadonlyMap<string, HubFile>): Promise<void> {
    const path = this.#tree(commit);
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, JSON.stringify(Object.fromEntries(files)));
  }

  #tree(commit: string): string {
    return join(this.#folder, "trees", `${commit}.json`);
  }

  /** The files of a commit that are here, whoever put them there. */
  async filesOf(commit: string): Promise<Map<string, HubFile>> {
    const root = this.snapshot(commit);
    const files = new Map<string, HubFile>();
    const names = await readdir(root, { recursive: true }).catch(() => []);
    for (const name of names.sort()) {
      const path = join(root, name);
      const found = await stat(path).catch(() => undefined);
      if (!found?.isFile()) continue;
      const etag = basename(await readlink(path).catch(() => ""));
      files.set(name.replaceAll("\\", "/"), { size: found.size, etag });
    }
    return files;
  }

  /** Whether a file of a commit is here, and whole as far as its size tells. */
  async has(commit: string, path: string, { size }: HubFile): Promise<boolean> {
    const found = await stat(join(this.snapshot(commit), path)).catch(() => undefined);
    return found?.isFile() === true && found.size === size;
  }

  /** Gives a content that is here its path in a commit's folder. */
  async link(commit: string, path: string, etag: string): Promise<void> {
    const target = join(this.snapshot(commit), path);
    const blob = this.blob(etag);
    await mkdir(dirname(target), { recursive: true });
    // Under another name first: one that others may be reading is replaced at once.
    const temporary = `${target}.${process.pid}.tmp`;
    await rm(temporary, { force: true });
    try {
      await symlink(relative(dirname(target), blob), temporary);
    } catch (error) {
      if (!["EPERM", "EACCES", "ENOSYS", "ENOTSUP", "UNKNOWN"].includes(String(errorCode(error))))
        throw error;
      await copyFile(blob, temporary).catch(async (problem: unknown) => {
        await rm(temporary, { force: true });
        throw problem;
      });
    }
    await rename(temporary, target);
  }

  /** Whether a content is here, and of the size that it should have. */
  async hasBlob({ etag, size }: HubFile): Promise<boolean> {
    const path = this.blob(etag);
    return (await isFile(path)) && (await stat(path)).size === size;
  }
}

/** @throws InputError when a file's path, size or hash is none: nothing from outside becomes a path unchecked. */
export function checkedFile(where: string, path: string, { size, etag }: HubFile): HubFile {
  if (!isInside(path))
    throw new InputError(where, `lists ${JSON.stringify(path)}, which is no path inside of it`);
  if (!Number.isSafeInteger(size) || size < 0 || !isEtag(etag)) {
    throw new InputError(
      where,
      `lists ${path} with size ${size} and hash ${JSON.stringify(etag)}, which are none`,
    );
  }
  return { size, etag };
}

function checkedTree(value: JsonObject): Map<string, HubFile> {
  const entries = Object.entries(value as Record<string, HubFile>);
  return new Map(entries.map(([path, file]) => [path, checkedFile("tree", path, file)]));
}
