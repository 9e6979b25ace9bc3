import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError, isDiskFull } from "../../errors.js";

/** A file for the time being, that bytes are added to and read from. It has no name, so that nothing is left of it whatever happens. */
export class Spool {
  readonly #file: FileHandle;
  #size = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(): Promise<Spool> {
    const folder = await mkdtemp(join(tmpdir(), "tptt-rows-"));
    try {
      return new Spool(await open(join(folder, "rows"), "wx+"));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** @returns where the bytes begin. @throws InputError when the disk is full. */
  async append(bytes: Uint8Array): Promise<number> {
    const offset = this.#size;
    try {
      for (let done = 0; done < bytes.length; ) {
        done += (await this.#file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
      }
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      throw new InputError(tmpdir(), "has no space left for rows; set TMPDIR to a folder on a larger disk", {
        cause: error,
      });
    }
    this.#size += bytes.length;
    return offset;
  }

  async read(offset: number, size: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    const { bytesRead } = await this.#file.read(bytes, 0, size, offset);
    if (bytesRead < size) throw new RangeError(`Spool: ${offset}+${size} is not within ${this.#size}`);
    return bytes;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
