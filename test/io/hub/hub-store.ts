import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export type StoreType = "model" | "dataset";

/** A file's content and names. */
export interface StoredFile {
  readonly bytes: Uint8Array;
  /** Git's hash of the blob, or of the pointer to it. */
  readonly oid: string;
  /** SHA-256, of a file in large file storage. */
  readonly lfs: string | undefined;
}

export interface StoredCommit {
  readonly oid: string;
  readonly files: ReadonlyMap<string, StoredFile>;
}

export interface RepoOptions {
  /** Seen only by those who have a token of its organization. */
  readonly private?: boolean;
  /** Seen by all, read only by those who were given access. */
  readonly gated?: boolean;
}

export interface StoredRepo extends RepoOptions {
  readonly type: StoreType;
  readonly name: string;
  readonly commits: Map<string, StoredCommit>;
  /** Commits by branch, tag or ref. */
  readonly refs: Map<string, string>;
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const blobOid = (bytes: Uint8Array): string =>
  createHash("sha1").update(`blob ${bytes.byteLength}\0`).update(bytes).digest("hex");

const inLargeStorage = /\.(safetensors|gguf|parquet|bin|png)$/;

/** What the hub does, too: known endings, and what is large. */
export const isLarge = (path: string, size: number): boolean =>
  inLargeStorage.test(path) || size > 10 * 2 ** 20;

/** The repositories of a hub, in memory; with a folder, what is in `models/org/name` and `datasets/org/name` there. */
export class HubStore {
  readonly #repos = new Map<string, StoredRepo>();
  /** Contents in large file storage. */
  readonly large = new Map<string, Uint8Array>();
  readonly #folder: string | undefined;

  private constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  static async open(folder?: string): Promise<HubStore> {
    const store = new HubStore(folder);
    for (const type of ["model", "dataset"] as const) {
      const root = folder === undefined ? undefined : join(folder, `${type}s`);
      for (const organization of root ? await namesIn(root) : []) {
        for (const name of await namesIn(join(root!, organization))) {
          const path = join(root!, organization, name);
          const files: Record<string, Uint8Array> = {};
          for (const file of (await readdir(path, { recursive: true })).sort()) {
            if ((await stat(join(path, file))).isFile()) files[file] = await readFile(join(path, file));
          }
          store.create(type, `${organization}/${name}`);
          await store.commit(type, `${organization}/${name}`, files, { save: false });
        }
      }
    }
    return store;
  }

  find(type: StoreType, name: string): StoredRepo | undefined {
    return this.#repos.get(`${type} ${name}`);
  }

  create(type: StoreType, name: string, options: RepoOptions = {}): StoredRepo {
    const repo: StoredRepo = { type, name, ...options, commits: new Map(), refs: new Map() };
    this.#repos.set(`${type} ${name}`, repo);
    this.#add(repo, new Map(), "main");
    return repo;
  }

  /** Adds files, or removes those that are undefined. @returns the new commit's hash. */
  async commit(
    type: StoreType,
    name: string,
    changes: Readonly<Record<string, string | Uint8Array | undefined>>,
    { branch = "main", save = true } = {},
  ): Promise<string> {
    const repo = this.find(type, name)!;
    const files = new Map(repo.commits.get(repo.refs.get(branch) ?? "")?.files);
    for (const [path, content] of Object.entries(changes)) {
      if (content === undefined) {
        files.delete(path);
        continue;
      }
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      const lfs = isLarge(path, bytes.byteLength) ? sha256(bytes) : undefined;
      if (lfs) this.large.set(lfs, bytes);
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${lfs}\nsize ${bytes.byteLength}\n`;
      files.set(path, { bytes, oid: blobOid(lfs ? new TextEncoder().encode(pointer) : bytes), lfs });
      if (this.#folder !== undefined && save) {
        const target = join(this.#folder, `${type}s`, name, path);
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, bytes);
      }
    }
    return this.#add(repo, files, branch);
  }

  #add(repo: StoredRepo, files: ReadonlyMap<string, StoredFile>, branch: string): string {
    const tree = [...files].map(([path, { oid }]) => [path, oid]);
    const oid = createHash("sha1")
      .update(JSON.stringify([repo.type, repo.name, repo.refs.get(branch), tree]))
      .digest("hex");
    repo.commits.set(oid, { oid, files });
    repo.refs.set(branch, oid);
    return oid;
  }
}

/** The commit that a revision names. */
export const commitAt = ({ commits, refs }: StoredRepo, revision: string): StoredCommit | undefined =>
  commits.get(refs.get(revision === "HEAD" ? "main" : revision) ?? revision);

const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).then(
    (names) => names.sort(),
    () => [],
  );
