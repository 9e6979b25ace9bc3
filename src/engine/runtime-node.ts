import { rmSync } from "node:fs";
import { type FileHandle, mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { InputError, isDiskFull } from "../errors.js";
import { isProcessAlive, startOf } from "../live-process.js";
import { commonOptions, keptOptions, providerOptions, wrapSession } from "./ort-session.js";
import type { Runtime, WeightStorage } from "./runtime.js";
import type { ExternalData } from "./stored.js";

const weightsFile = "weights.bin";

/** How the names of a host's folders begin; what follows tells the process: its number and when it was started. */
const prefix = `tptt-weights-${encodeURIComponent(hostname())}-`;
const namePattern = /^(\d+)-(\d*)-\w+$/;

/** Removes the folders of this host's processes that were killed: nobody else would. */
async function removeAbandoned(): Promise<void> {
  const parent = tmpdir();
  for (const name of await readdir(parent).catch((): string[] => [])) {
    if (!name.startsWith(prefix)) continue;
    const [, pid, started] = namePattern.exec(name.slice(prefix.length)) ?? [];
    if (pid === undefined || isProcessAlive(Number(pid), started || undefined)) continue;
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => {}); // Another user's.
  }
}

let abandonedRemoved: Promise<void> | undefined;

/** Folders of this process, removed when it ends. */
const folders = new Set<string>();
process.once("exit", () => {
  // A graph may be on its way into the folder while it is emptied: then once more.
  for (const folder of folders)
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
});

/**
 * One file in a folder of its own. ONNX Runtime maps external data into memory, so all sessions share the pages of
 * the file; it wants the model file in the same folder.
 */
class FileStorage implements WeightStorage {
  readonly folder: string;
  readonly #file: FileHandle;
  #size = 0;

  private constructor(folder: string, file: FileHandle) {
    this.folder = folder;
    this.#file = file;
  }

  static async create(): Promise<FileStorage> {
    abandonedRemoved ??= removeAbandoned();
    await abandonedRemoved;
    const started = startOf(process.pid) ?? "";
    const folder = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-${started}-`)).catch(noSpace);
    folders.add(folder);
    return new FileStorage(folder, await open(join(folder, weightsFile), "w+"));
  }

  reserve(byteLength: number): ExternalData {
    const offset = Math.ceil(this.#size / 64) * 64;
    this.#size = offset + byteLength;
    return { file: weightsFile, offset, byteLength };
  }

  async write({ offset }: ExternalData, at: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength; ) {
      const length = Math.min(bytes.byteLength - done, 2 ** 30);
      const written = await this.#file.write(bytes, done, length, offset + at + done).catch(noSpace);
      done += written.bytesWritten;
    }
  }

  async read({ offset, byteLength }: ExternalData): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(byteLength);
    for (let done = 0; done < byteLength; ) {
      const length = Math.min(byteLength - done, 2 ** 30);
      const { bytesRead } = await this.#file.read(bytes, done, length, offset + done);
      if (bytesRead === 0) throw new Error(`${join(this.folder, weightsFile)}: ended at ${offset + done}`);
      done += bytesRead;
    }
    return bytes;
  }

  async dispose(): Promise<void> {
    await this.#file.close();
    await rm(this.folder, { recursive: true, force: true });
    folders.delete(this.folder);
  }
}

/** @throws InputError when the disk is full, else the error as it is. */
function noSpace(error: unknown): never {
  if (!isDiskFull(error)) throw error;
  throw new InputError(tmpdir(), "has no space left for weights; set TMPDIR to a folder on a larger disk", {
    cause: error,
  });
}

let models = 0;

// What goes wrong is thrown; that it is also printed is of no use.
ort.env.logLevel = "fatal";

/** ONNX Runtime for Node. */
export const runtime: Runtime = {
  createStorage: () => FileStorage.create(),

  async createSession(model, storage, { threads, profile, ...where }) {
    const options: ort.InferenceSession.SessionOptions = {
      ...commonOptions,
      ...providerOptions(model, where),
      ...keptOptions(model, where),
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    };
    if (!(storage instanceof FileStorage)) {
      return wrapSession(ort, await ort.InferenceSession.create(model.bytes, options), model);
    }
    const path = join(storage.folder, `model-${models++}.onnx`);
    try {
      await writeFile(path, model.bytes).catch(noSpace);
      return wrapSession(ort, await ort.InferenceSession.create(path, options), model);
    } finally {
      await rm(path, { force: true });
    }
  },
};
