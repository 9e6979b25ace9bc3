import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { InputError, writeError } from "../errors.js";
import { clearLeftovers } from "../io/atomic-file.js";
import { describeHolder, FileLock } from "../io/file-lock.js";

/** The file that a run holds in its folder while it writes there. */
export const runLockFile = ".lock";

/** A run's folder that nobody else may write in. */
export interface LockedRun {
  readonly lock: FileLock;
  /** The outermost folder that had to be made. */
  readonly made: string | undefined;
}

/**
 * Makes a run's folder, if it is not there, and keeps other runs out of it until the lock is released. What a killed run
 * was writing is cleared away.
 *
 * @throws InputError when another run is writing there, naming its process.
 */
export async function lockRun(outputDir: string): Promise<LockedRun> {
  const path = join(outputDir, runLockFile);
  try {
    const made = await mkdir(outputDir, { recursive: true });
    const found = await FileLock.tryAcquire(path);
    if (found instanceof FileLock) {
      await clearLeftovers(outputDir).catch((error: unknown) => {
        found.release();
        throw error;
      });
      return { lock: found, made };
    }
    const elsewhere = found.host === hostname() ? "" : `; if that process is gone, delete ${path}`;
    throw new InputError(
      outputDir,
      `is being written by another run (${describeHolder(found)}); wait for its end, or give another folder${elsewhere}`,
    );
  } catch (error) {
    throw writeError(path, error);
  }
}
