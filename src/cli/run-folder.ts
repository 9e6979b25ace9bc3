import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { InputError } from "../errors.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import { latestCheckpoint } from "../train/checkpoint-folder.js";
import { namesIn, requireEmpty } from "./output-folder.js";

/** The folder of a training run: its options, its metrics and checkpoints, in the end the titan. */
export class RunFolder {
  readonly path: string;
  /** The checkpoint to go on from; undefined for a new run. */
  readonly checkpoint: string | undefined;
  /** The outermost folder that had to be made for a new run. */
  #made: string | undefined;

  private constructor(path: string, checkpoint: string | undefined) {
    this.path = path;
    this.checkpoint = checkpoint;
  }

  /**
   * Looks at the folder; writes nothing yet.
   *
   * @throws InputError when a new run would write into a folder that is in use, or there is nothing to resume.
   */
  static async open(path: string, resume: boolean): Promise<RunFolder> {
    if (resume) {
      const checkpoint = await latestCheckpoint(path);
      if (checkpoint === undefined) {
        throw new InputError(
          path,
          "holds no checkpoint to go on from; train without --resume in a new folder",
        );
      }
      return new RunFolder(path, checkpoint);
    }
    await requireEmpty(path, "give a new folder, or --resume to go on with the run in it");
    return new RunFolder(path, undefined);
  }

  /** The file with the options of the run in a folder. */
  static optionsFile(path: string): string {
    return join(path, "train.yaml");
  }

  /** Starts the run: the folder is made, the options are written for a later `--resume`. */
  async begin(options: Readonly<Record<string, unknown>>): Promise<void> {
    this.#made = await mkdir(this.path, { recursive: true });
    await writeFileAtomic(RunFolder.optionsFile(this.path), stringify(options));
  }

  /** Removes what a new run has written: for one that ends before its first step. */
  async discard(): Promise<void> {
    if (this.checkpoint !== undefined) return;
    // A folder that was there stays; it was empty.
    const written = this.#made
      ? [this.#made]
      : (await namesIn(this.path)).map((name) => join(this.path, name));
    for (const path of written) await rm(path, { recursive: true, force: true });
  }
}
