import { rm } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { InputError } from "../errors.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import type { FileLock } from "../io/file-lock.js";
import { latestCheckpoint, setTornAside } from "../train/checkpoint-folder.js";
import { lockRun, runLockFile } from "../train/run-lock.js";
import { namesIn, requireEmpty } from "./output-folder.js";

/** The name of the file with a run's options, in the run's folder. */
export const optionsFile = "train.yaml";

/** What a {@link RunFolder} found when it was opened. */
interface Found {
  /** The folders that had to be made, by the outermost of them. */
  readonly made: string | undefined;
  readonly checkpoint: string | undefined;
  readonly torn: readonly string[];
}

/** The folder of a training run, locked while it is open: its options, its metrics and checkpoints, in the end the titan. */
export class RunFolder {
  readonly path: string;
  readonly lock: FileLock;
  /** The checkpoint to go on from; undefined for a new run. */
  readonly checkpoint: string | undefined;
  /** What is wrong with later checkpoints, and where they are now. */
  readonly torn: readonly string[];
  readonly #made: string | undefined;
  #begun = false;

  private constructor(path: string, lock: FileLock, { made, checkpoint, torn }: Found) {
    this.path = path;
    this.lock = lock;
    this.checkpoint = checkpoint;
    this.torn = torn;
    this.#made = made;
  }

  /**
   * Makes the folder of a new run, or looks for the latest sound checkpoint of one that goes on.
   *
   * @throws InputError when a new run would write into a folder that is in use, there is nothing to resume, or another run
   * is writing there.
   */
  static async open(path: string, resume: boolean): Promise<RunFolder> {
    const nothing = new InputError(
      path,
      "holds no checkpoint to go on from; train without --resume in a new folder",
    );
    if (resume && (await namesIn(path)).length === 0) throw nothing;
    if (!resume) await requireFree(path);
    const { lock, made } = await lockRun(path);
    try {
      if (!resume) {
        await requireFree(path); // Another run may have been quicker.
        return new RunFolder(path, lock, { made, checkpoint: undefined, torn: [] });
      }
      const torn: { readonly folder: string; readonly problem: string }[] = [];
      const checkpoint = await latestCheckpoint(path, (folder, problem) => torn.push({ folder, problem }));
      if (checkpoint === undefined)
        throw torn[0]
          ? new InputError(
              path,
              `holds no sound checkpoint (${torn[0].problem}); train without --resume in a new folder`,
            )
          : nothing;
      const told: string[] = [];
      for (const { folder, problem } of torn)
        told.push(`${problem}; set aside as ${await setTornAside(folder)}`);
      return new RunFolder(path, lock, { made, checkpoint, torn: told });
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Starts the run: its options are written for a later `--resume`. */
  async begin(options: Readonly<Record<string, unknown>>): Promise<void> {
    this.#begun = true;
    await writeFileAtomic(join(this.path, optionsFile), stringify(options));
  }

  /** Has nothing of a new run left when the folder is closed: for one that ends before its first step. */
  discard(): void {
    this.#begun = false;
  }

  /** Lets other runs in. What a new run that has come to nothing wrote is removed. */
  async close(): Promise<void> {
    if (!this.#begun && this.checkpoint === undefined) {
      // A folder that was there stays; it was empty.
      const written = this.#made
        ? [this.#made]
        : (await namesIn(this.path)).map((name) => join(this.path, name));
      for (const path of written) await rm(path, { recursive: true, force: true });
    }
    this.lock.release();
  }
}

/** @throws InputError when a folder holds more than a lock, which another run has left or holds. */
const requireFree = (path: string) =>
  requireEmpty(path, "give a new folder, or --resume to go on with the run in it", [runLockFile]);
