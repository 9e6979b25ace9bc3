import { stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import { type ByteSource, openFile } from "../byte-source.js";
import { FileLock } from "../file-lock.js";
import { checkedFile, isCommit, RepoCache } from "./cache.js";
import type { HubClient } from "./client.js";
import { cacheError, requireRoom } from "./disk-room.js";
import { download, partOf } from "./download.js";
import type { HubFile, HubRepo } from "./hub.js";
import { HubUnreachable, notHere, placeOf, type Subject } from "./hub-error.js";
import type { HubId, RepoType } from "./hub-id.js";
import { RemoteFile } from "./remote-file.js";

/** Files that are downloaded at a time. */
const parallel = 4;

/** How long a branch is taken to be at the commit where it was, in ms: one command sees one commit. */
const freshFor = 60_000;

interface Opened {
  readonly at: number;
  readonly repo: Promise<Repository>;
}

const opened = new Map<string, Opened>();

/** Finds a repository. @throws InputError when there is none that we may see. */
export async function openRepository(type: RepoType, id: HubId, client: HubClient): Promise<HubRepo> {
  const { endpoint, cache, token, offline } = client.settings;
  const key = JSON.stringify([endpoint, cache, token, offline, type, id.name, id.revision]);
  const before = opened.get(key);
  if (before && Date.now() - before.at < freshFor) return (await before.repo).for(client);
  const repo = Repository.find({ type, name: id.name, revision: id.revision }, client);
  opened.set(key, { at: Date.now(), repo });
  repo.catch(() => opened.delete(key));
  return repo;
}

/** A repository at one commit. */
class Repository implements HubRepo {
  readonly #subject: Subject;
  readonly #client: HubClient;
  readonly #cache: RepoCache;
  readonly commit: string;
  readonly files: ReadonlyMap<string, HubFile>;
  readonly complete: boolean;

  private constructor(
    subject: Subject,
    client: HubClient,
    cache: RepoCache,
    { commit, files, complete }: Pick<HubRepo, "commit" | "files" | "complete">,
  ) {
    this.#subject = subject;
    this.#client = client;
    this.#cache = cache;
    this.commit = commit;
    this.files = files;
    this.complete = complete;
  }

  get name(): string {
    return this.#subject.name;
  }

  static async find(subject: Subject, client: HubClient): Promise<Repository> {
    const cache = new RepoCache(client.settings.cache, subject.type, subject.name);
    const commit = await commitOf(subject, client, cache);
    const known = await cache.readTree(commit);
    if (known) return new Repository(subject, client, cache, { commit, files: known, complete: true });
    const listed = await treeOf(subject, commit, client, cache);
    if (listed) return new Repository(subject, client, cache, { commit, files: listed, complete: true });
    const here = await cache.filesOf(commit);
    if (here.size === 0) throw notCached(subject, client);
    return new Repository(subject, client, cache, { commit, files: here, complete: false });
  }

  /** The same for another onlooker. */
  for(client: HubClient): Repository {
    return new Repository(this.#subject, client, this.#cache, this);
  }

  async get(paths: readonly string[]): Promise<string> {
    const missing = new Map<string, HubFile>();
    for (const path of new Set(paths)) {
      const file = this.#fileAt(path);
      if (!(await this.#cache.has(this.commit, path, file))) missing.set(path, file);
    }
    try {
      if (missing.size > 0) await this.#download(missing);
      await this.#cache.writeRef(this.#subject.revision ?? "main", this.commit);
    } catch (error) {
      throw await cacheError(error, this.#subject, this.#client.settings.cache);
    }
    return this.#cache.snapshot(this.commit);
  }

  async open(path: string): Promise<ByteSource> {
    const file = this.#fileAt(path);
    if (await this.#cache.has(this.commit, path, file)) {
      return openFile(join(this.#cache.snapshot(this.commit), path));
    }
    if (await this.#cache.hasBlob(file)) return openFile(this.#cache.blob(file.etag));
    const subject = { ...this.#subject, file: path };
    if (this.#client.settings.offline) throw notCached(subject, this.#client);
    return new RemoteFile(this.#client, { ...file, url: this.#urlOf(path), subject });
  }

  #fileAt(path: string): HubFile {
    const file = this.files.get(path);
    if (file) return file;
    if (!this.complete) throw notCached({ ...this.#subject, file: path }, this.#client);
    throw new InputError(placeOf(this.#subject), `has no file ${path}`);
  }

  #urlOf(path: string): string {
    const kind = this.#subject.type === "dataset" ? "datasets/" : "";
    const inside = path.split("/").map(encodeURIComponent).join("/");
    return `${this.#client.settings.endpoint}/${kind}${this.name}/resolve/${this.commit}/${inside}`;
  }

  async #download(missing: ReadonlyMap<string, HubFile>): Promise<void> {
    const { settings, observer } = this.#client;
    if (settings.offline) {
      const [path] = missing.keys();
      throw notCached({ ...this.#subject, file: path! }, this.#client);
    }
    await this.#cache.prepare();
    const contents = new Map([...missing.values()].map((file) => [file.etag, file]));
    const total = [...contents.values()].reduce((sum, { size }) => sum + size, 0);
    let toCome = 0;
    for (const file of contents.values()) toCome += await this.#toCome(file);
    await requireRoom(settings.cache, this.name, toCome);
    let done = 0;
    const onBytes = (count: number) => {
      done += count;
      observer.transfer?.({ direction: "download", name: this.name, done, total });
    };
    const waiting = missing.entries();
    const failed = new AbortController();
    const work = async () => {
      for (const [path, file] of waiting) {
        await this.#one(path, file, onBytes, failed.signal).catch(async (error: unknown) => {
          // Who waits for the first error does not wait for the other files.
          failed.abort(await cacheError(error, { ...this.#subject, file: path }, settings.cache));
        });
        if (failed.signal.aborted) return;
      }
    };
    await Promise.all(Array.from({ length: parallel }, work));
    observer.transferEnded?.();
    failed.signal.throwIfAborted();
  }

  /** Bytes of a content that are not here. */
  async #toCome(file: HubFile): Promise<number> {
    if (await this.#cache.hasBlob(file)) return 0;
    const part = await stat(partOf(this.#cache.blob(file.etag))).catch(() => undefined);
    return Math.max(0, file.size - (part?.size ?? 0));
  }

  async #one(
    path: string,
    file: HubFile,
    onBytes: (count: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { observer } = this.#client;
    const lock = await FileLock.acquire(this.#cache.lock(file.etag), {
      signal,
      onWait: ({ pid }) => {
        if (pid !== process.pid)
          observer.note?.(`${this.name}: waiting for process ${pid}, which downloads ${path}`);
      },
    });
    try {
      if (!(await this.#cache.hasBlob(file))) {
        await download(this.#client, {
          ...file,
          url: this.#urlOf(path),
          subject: { ...this.#subject, file: path },
          path: this.#cache.blob(file.etag),
          onBytes,
          signal,
        });
      }
      await this.#cache.link(this.commit, path, file.etag);
    } finally {
      lock.release();
    }
  }
}

/** The commit that a revision is at: as the hub says, or, when it cannot be asked, as it was. */
async function commitOf(subject: Subject, client: HubClient, cache: RepoCache): Promise<string> {
  const { revision = "main" } = subject;
  if (isCommit(revision)) return revision;
  const last = await cache.readRef(revision);
  if (client.settings.offline) {
    if (last === undefined) throw notCached(subject, client);
    return last;
  }
  try {
    const { modelInfo, datasetInfo } = await import("@huggingface/hub");
    const { name, type } = subject;
    const asked = {
      name,
      revision,
      hubUrl: client.settings.endpoint,
      // Where the cache can answer, nobody waits for a hub that is away.
      fetch: client.fetchFor(subject, last === undefined ? undefined : 2),
    };
    const { sha } = await (type === "dataset"
      ? datasetInfo({ ...asked, additionalFields: ["sha"] })
      : modelInfo({ ...asked, additionalFields: ["sha"] }));
    if (typeof sha === "string" && isCommit(sha)) return sha;
    throw new InputError(
      placeOf(subject),
      `the hub names ${JSON.stringify(sha)} as its commit, which is none`,
    );
  } catch (error) {
    if (!(error instanceof HubUnreachable) || last === undefined) throw error;
    client.observer.note?.(`${error.message}; going on with what is in the cache`);
    return last;
  }
}

/** The files of a commit; undefined when the hub cannot be asked. */
async function treeOf(
  subject: Subject,
  commit: string,
  client: HubClient,
  cache: RepoCache,
): Promise<Map<string, HubFile> | undefined> {
  if (client.settings.offline) return undefined;
  const { listFiles } = await import("@huggingface/hub");
  const { type, name } = subject;
  const files = new Map<string, HubFile>();
  const entries = listFiles({
    repo: { type, name },
    recursive: true,
    revision: commit,
    hubUrl: client.settings.endpoint,
    fetch: client.fetchFor(subject),
  });
  try {
    for await (const { type: kind, path, size, oid = "", lfs } of entries) {
      if (kind !== "file") continue;
      files.set(
        path,
        checkedFile(placeOf(subject), path, { size: lfs?.size ?? size, etag: lfs?.oid ?? oid }),
      );
    }
  } catch (error) {
    if (error instanceof HubUnreachable && (await cache.filesOf(commit)).size > 0) return undefined;
    throw error;
  }
  await cache.writeTree(commit, files).catch(async (error: unknown) => {
    throw await cacheError(error, subject, client.settings.cache);
  });
  return files;
}

/** What is not in the cache, and may not be asked for. */
function notCached(subject: Subject, { settings }: HubClient): InputError {
  return new InputError(
    placeOf(subject),
    `${notHere(subject)}not in the cache ${settings.cache}, and HF_HUB_OFFLINE is set; unset it, and the file is downloaded`,
  );
}
