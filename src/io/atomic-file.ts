import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { errorCode, writeError } from "../errors.js";
import { exists } from "./path-kind.js";

/** What a file can be made of: a text, bytes, or pieces that arrive one after the other. */
export type FileContent = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file so that a reader sees the old content or the whole new one, also after a crash: the bytes go to a
 * temporary file in the same folder, are forced to disk, and take the name by a rename.
 *
 * If anything fails, the temporary file is removed and the old file is as it was.
 *
 * @throws InputError when the disk is full, or the path cannot be written.
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const target = resolve(path);
  const temporary = temporaryName(target);
  try {
    const handle = await open(temporary, "wx");
    try {
      await writeContent(handle, content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await removed(temporary);
    throw writeError(target, error);
  }
  await syncFolder(dirname(target));
}

/**
 * Fills a folder that appears at once: `fill` writes into a temporary folder beside `path`, which then takes its name.
 *
 * A folder that is already there is set aside first and deleted last. There is no portable way to exchange two
 * folders, so a crash between the two renames leaves `path` missing for that instant, with the old folder whole under
 * `.<name>.old.tmp` and the new one whole under `.<name>.<random>.tmp`: the next call puts the old one back before it starts
 * ({@link recoverFolder}), so one of the two always survives. Any error before that leaves the old folder as it was.
 *
 * @throws InputError when the disk is full, or the path cannot be written.
 */
export async function writeFolderAtomic(
  path: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const target = resolve(path);
  const parent = dirname(target);
  await mkdir(parent, { recursive: true }).catch((error: unknown) => {
    throw writeError(target, error);
  });
  await recoverFolder(target);
  const temporary = temporaryName(target);
  const old = setAsideName(target);
  try {
    await mkdir(temporary);
    await fill(temporary);
    await syncFolder(temporary);
    const replaced = await exists(target);
    if (replaced) await rename(target, old);
    try {
      await rename(temporary, target);
    } catch (error) {
      if (replaced) await rename(old, target);
      throw error;
    }
  } catch (error) {
    await removed(temporary);
    throw writeError(target, error);
  }
  await syncFolder(parent);
  await rm(old, { recursive: true, force: true });
}

/**
 * Puts back a folder that a crash inside {@link writeFolderAtomic} left set aside, and removes a set-aside folder
 * that is no longer needed. Call it before reading a folder that this program writes.
 */
export async function recoverFolder(path: string): Promise<void> {
  const target = resolve(path);
  const old = setAsideName(target);
  if (!(await exists(old))) return;
  if (await exists(target)) await rm(old, { recursive: true, force: true });
  else await rename(old, target);
}

/** Removes a folder so that it is never there in part: it loses its name first. */
export async function removeFolder(path: string): Promise<void> {
  const target = resolve(path);
  const temporary = temporaryName(target);
  await rename(target, temporary);
  await rm(temporary, { recursive: true, force: true });
}

/**
 * Removes what killed processes left in a folder: files and folders that were being written or removed by the functions
 * here. What was set aside comes back ({@link recoverFolder}). Nobody else may be writing in the folder.
 */
export async function clearLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, original, mark] = /^\.(.+)\.(old|[0-9a-f]{12})\.tmp$/.exec(name) ?? [];
    if (original === undefined) continue;
    if (mark === "old") await recoverFolder(join(folder, original));
    else await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function writeContent(handle: FileHandle, content: FileContent): Promise<void> {
  if (typeof content === "string" || content instanceof Uint8Array) {
    await handle.writeFile(content);
    return;
  }
  for await (const chunk of content) {
    for (let done = 0; done < chunk.byteLength; ) {
      // One write(2) takes at most 2^31 - 1 bytes, and may take fewer than asked for.
      const length = Math.min(chunk.byteLength - done, 2 ** 30);
      done += (await handle.write(chunk, done, length)).bytesWritten;
    }
  }
}

/** After an error, which is what is to be told. */
const removed = (path: string) => rm(path, { recursive: true, force: true }).catch(() => {});

/** Forces a folder's entries to disk. Some file systems and Windows cannot: there the rename is all that can be had. */
async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!["EISDIR", "EPERM", "EINVAL", "EACCES", "ENOTSUP"].includes(String(errorCode(error)))) throw error;
  }
}

// In the same folder as the target, for a rename does not cross file systems; `.tmp` so that a crash's leftovers are known as such.
const temporaryName = (target: string) =>
  join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);

const setAsideName = (target: string) => join(dirname(target), `.${basename(target)}.old.tmp`);
