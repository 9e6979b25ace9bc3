import type { FileHandle } from "node:fs/promises";
import { errorCode, InputError } from "../errors.js";

/** Bytes that can be read at any offset: a local file, or anything else that behaves like one. */
export interface ByteSource {
  /** What error messages call it: the file's path. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes from `offset` into a fresh array (so its buffer is aligned for any typed array).
   *
   * @throws InputError when the range is not inside the source, before anything is allocated.
   */
  read(offset: number, length: number, what?: string): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** Opens a file by its path. @throws InputError when it does not exist, cannot be read or is not a regular file. */
export type OpenFile = (path: string) => Promise<ByteSource>;

// One read(2) transfers at most 2^31 - 1 bytes, and Node refuses to ask for more.
const maxRead = 2 ** 30;

class LocalFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #handle: FileHandle;

  constructor(name: string, size: number, handle: FileHandle) {
    this.name = name;
    this.size = size;
    this.#handle = handle;
  }

  async read(offset: number, length: number, what = "data"): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this, offset, length, what);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#handle.read(
        bytes,
        done,
        Math.min(length - done, maxRead),
        offset + done,
      );
      if (bytesRead === 0) {
        throw new InputError(this.name, `ended while ${what} was being read; the file changed, try again`);
      }
      done += bytesRead;
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * Opens a local file for reading. Node's modules load at the call, so that what reads any source works in a browser.
 *
 * @throws InputError when it does not exist, cannot be read or is not a regular file.
 */
export async function openFile(path: string): Promise<ByteSource> {
  const { constants, open } = await import("node:fs/promises");
  let handle: FileHandle;
  try {
    // Opening a pipe would wait for one who writes to it.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new InputError(path, "is not a regular file; give the path of a file");
    return new LocalFile(path, stat.size, handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** A {@link ByteSource} over bytes in memory. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  const source: ByteSource = {
    name,
    size: bytes.byteLength,
    read: async (offset, length, what = "data") => {
      checkRange(source, offset, length, what);
      return Uint8Array.from(bytes.subarray(offset, offset + length));
    },
    close: async () => {},
  };
  return source;
}

/** What went wrong with a file, as an {@link InputError} for the causes that the user can mend. */
export function fileError(path: string, error: unknown): Error {
  const code = errorCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new InputError(path, "does not exist; check the path", { cause: error });
  }
  if (code === "EACCES" || code === "EPERM") {
    return new InputError(path, "permission denied; check who may read it", { cause: error });
  }
  if (code === "ENAMETOOLONG" || code === "ELOOP" || code === "ERR_INVALID_ARG_VALUE") {
    return new InputError(path, `is not a path that can be followed (${code}); check it`, { cause: error });
  }
  if (code === "EISDIR") return new InputError(path, "is a folder, expected a file", { cause: error });
  return error instanceof Error ? error : new Error(String(error));
}

/** @throws InputError when a range is not inside a source. */
export function checkRange(source: ByteSource, offset: number, length: number, what: string): void {
  if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0)) {
    throw new InputError(
      source.name,
      `${what} has the impossible range ${offset}+${length}; the file is corrupt`,
    );
  }
  if (offset + length > source.size) {
    throw new InputError(
      source.name,
      `${what} needs bytes ${offset}..${offset + length}, the file has ${source.size}; it is truncated or corrupt, download it again`,
    );
  }
}
