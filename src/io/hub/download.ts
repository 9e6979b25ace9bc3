import { createHash, type Hash } from "node:crypto";
import { constants, type FileHandle, open, rename, rm } from "node:fs/promises";
import { InputError } from "../../errors.js";
import { problemIn, startOf, takeBody } from "./answer.js";
import { attempts, type HubClient } from "./client.js";
import type { HubFile } from "./hub.js";
import { type HubUnreachable, placeOf, type Subject, unreachable } from "./hub-error.js";

/** A file to download. */
export interface Download extends HubFile {
  readonly url: string;
  readonly subject: Subject;
  /** Where it goes. What has come so far lies beside it, and is gone on with by the next call. */
  readonly path: string;
  /** Told how many bytes came, or, below zero, have to come again. */
  readonly onBytes: (count: number) => void;
  /** Ends it; what has come stays. */
  readonly signal: AbortSignal;
}

/** Where what has come of a file lies. Not Python's name for it: its locks and ours do not know of each other. */
export const partOf = (path: string): string => `${path}.tptt.incomplete`;

/**
 * Downloads a file: from where an earlier try was cut off, as often as the connection is, and with its name only when
 * size and hash are right.
 *
 * @throws InputError when it cannot be had; what has come stays for the next try.
 */
export async function download(client: HubClient, file: Download): Promise<void> {
  const { path, etag, subject } = file;
  const part = await PartialFile.open(partOf(path), file);
  try {
    await receiveAll(client, part, file);
    if (!part.isRight()) {
      // It may have been damaged on disk since the earlier try, or on the way: once more, all of it.
      await part.restart();
      await receiveAll(client, part, file);
      const found = part.digest();
      if (found !== etag) {
        await part.restart();
        throw new InputError(
          placeOf(subject),
          `came with hash ${found}, the hub names ${etag}; what serves ${client.settings.endpoint} is broken, try another`,
        );
      }
    }
    await part.finish(path);
  } catch (error) {
    await part.close();
    throw error;
  }
}

/** Receives what is missing, in as many goes as it takes; each that brings something starts the count of tries again. */
async function receiveAll(client: HubClient, part: PartialFile, file: Download): Promise<void> {
  let validator: string | undefined;
  for (let failed = 0; part.length < file.size; ) {
    const before = part.length;
    const outcome = await receive(client, part, file, validator);
    validator = outcome.validator;
    if (part.length >= file.size) return;
    failed = part.length > before ? 0 : failed + 1;
    if (failed >= attempts) throw outcome.problem;
  }
}

interface Outcome {
  /** A strong ETag of who served the bytes: while it is the same, they go on. */
  readonly validator: string | undefined;
  /** Why there are no more. */
  readonly problem: HubUnreachable;
}

/** One request; takes what comes until the end, or until the connection is cut or silent. */
async function receive(
  client: HubClient,
  part: PartialFile,
  { url, subject, etag, size, signal }: Download,
  validator: string | undefined,
): Promise<Outcome> {
  const { settings } = client;
  const stop = new AbortController();
  const from = part.length;
  const range =
    from === 0 ? {} : { range: `bytes=${from}-`, ...(validator ? { "if-range": validator } : {}) };
  // 416: what an earlier try left reaches beyond the end.
  const init = { headers: range, signal: AbortSignal.any([stop.signal, signal]) };
  const answer = await client.request(url, subject, init, attempts, [416]);
  const { response } = answer;
  const problem = problemIn(answer, etag, size);
  if (problem) {
    await response.body?.cancel();
    throw new InputError(placeOf(subject), problem);
  }
  const goesOn = response.status === 206 && startOf(response) === from;
  if (!goesOn) await part.restart();
  if (!goesOn && response.status !== 200) {
    await response.body?.cancel();
    return {
      validator: undefined,
      problem: unreachable(new Error(`status ${response.status}`), subject, settings),
    };
  }
  const found = response.headers.get("etag");
  const strong = found?.startsWith('"') ? found : undefined;
  const cut = await takeBody(response, stop, settings, async (piece) => {
    await part.append(piece);
    return true;
  });
  return { validator: strong, problem: unreachable(cut, subject, settings) };
}

/** The bytes that have come, and their hash. */
class PartialFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #file: Download;
  #hash: Hash;
  /** Bytes. */
  length = 0;

  private constructor(path: string, handle: FileHandle, file: Download) {
    this.#path = path;
    this.#handle = handle;
    this.#file = file;
    this.#hash = hashFor(file);
  }

  /** Goes on with what an earlier try left. */
  static async open(path: string, file: Download): Promise<PartialFile> {
    const part = new PartialFile(path, await open(path, constants.O_RDWR | constants.O_CREAT), file);
    const { size } = await part.#handle.stat();
    if (size > file.size) await part.restart();
    else {
      // Named by its end: what is written meanwhile is not read.
      if (size > 0) {
        for await (const chunk of part.#handle.createReadStream({
          start: 0,
          end: size - 1,
          autoClose: false,
        })) {
          part.#count(chunk as Uint8Array);
        }
      }
    }
    return part;
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.length + chunk.byteLength > this.#file.size) {
      throw new InputError(
        placeOf(this.#file.subject),
        `has more bytes than the ${this.#file.size} that the hub lists`,
      );
    }
    for (let done = 0; done < chunk.byteLength; ) {
      const rest = chunk.byteLength - done;
      const { bytesWritten } = await this.#handle.write(chunk, done, rest, this.length);
      // Counted at once: what a disk takes before it is full stays.
      this.#count(chunk.subarray(done, done + bytesWritten));
      done += bytesWritten;
    }
  }

  #count(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.length += chunk.byteLength;
    this.#file.onBytes(chunk.byteLength);
  }

  /** Throws all away. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#file.onBytes(-this.length);
    this.length = 0;
    this.#hash = hashFor(this.#file);
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  isRight(): boolean {
    return this.length === this.#file.size && this.digest() === this.#file.etag;
  }

  /** Takes the file's own name. */
  async finish(path: string): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#path, path);
  }

  async close(): Promise<void> {
    await this.#handle.close();
    if (this.length === 0) await rm(this.#path, { force: true });
  }
}

/** The hash that a content is named by: SHA-256, or Git's of a blob. */
function hashFor({ etag, size }: HubFile): Hash {
  return etag.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}
