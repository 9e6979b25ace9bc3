import { statfs } from "node:fs/promises";
import { InputError, isDiskFull, writeError } from "../../errors.js";
import { placeOf, type Subject } from "./hub-error.js";

/** The disk of the cache is full. */
class CacheFull extends InputError {}

/** Bytes that may still be written on a folder's disk; undefined where the system does not tell. */
const freeBytes = async (folder: string): Promise<number | undefined> => {
  const disk = await statfs(folder).catch(() => undefined);
  return disk && disk.bavail * disk.bsize;
};

/** @throws InputError when the cache's disk has no room for what is to come. */
export async function requireRoom(cache: string, name: string, bytes: number): Promise<void> {
  const free = await freeBytes(cache);
  if (free === undefined || bytes <= free) return;
  throw new InputError(
    cache,
    `has room for ${free} bytes, ${name} needs ${bytes} more; make room, or set HF_HOME elsewhere`,
  );
}

/** What went wrong with writing to the cache, and what to do; where its disk is full, with its room. */
export async function cacheError(error: unknown, subject: Subject, cache: string): Promise<unknown> {
  if (error instanceof CacheFull) return error;
  if (!isDiskFull(error)) return writeError(`the cache ${cache}`, error);
  const free = (await freeBytes(cache)) ?? "no";
  return new CacheFull(
    placeOf(subject),
    `cannot be written to ${cache}: its disk is full (${free} bytes free); make room and try again, which goes on from where it was, or set HF_HOME elsewhere`,
    { cause: error },
  );
}
