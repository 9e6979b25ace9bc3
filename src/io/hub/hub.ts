import type { ByteSource } from "../byte-source.js";
import type { ModelAccess } from "../model-access.js";
import type { HubId, RepoType } from "./hub-id.js";

/** How far the files of a repository are on their way. */
export interface HubTransfer {
  readonly direction: "download" | "upload";
  /** `org/name` */
  readonly name: string;
  /** Bytes that are there; those of an earlier, interrupted try count. */
  readonly done: number;
  /** Bytes of the files that were not there at the beginning. */
  readonly total: number;
}

/** Who looks on while the hub is used. */
export interface HubObserver {
  /** Told of every piece. */
  transfer?(transfer: HubTransfer): void;
  /** Told when no more comes, also after an error. */
  transferEnded?(): void;
  /** A remark for a person: what is waited for, what was not as expected. */
  note?(text: string): void;
}

/** A file of a repository. */
export interface HubFile {
  /** Bytes. */
  readonly size: number;
  /** The name of its content: SHA-256 of files in large file storage, of others Git's SHA-1 of a blob; in hexadecimal. */
  readonly etag: string;
}

/** A repository at one commit, its files not yet here. */
export interface HubRepo {
  /** `org/name` */
  readonly name: string;
  /** Its hash. */
  readonly commit: string;
  /** By their paths in it. */
  readonly files: ReadonlyMap<string, HubFile>;
  /** False when only those are known that are in the cache. */
  readonly complete: boolean;
  /**
   * Downloads those of the files that are not in the cache.
   *
   * @returns the folder that has them under their paths.
   * @throws InputError naming the file that cannot be had, and why.
   */
  get(paths: readonly string[]): Promise<string>;
  /**
   * Opens a file: the one in the cache, or else the hub's, of which only what is read is sent, and nothing kept.
   *
   * @throws InputError when it cannot be had, and why.
   */
  open(path: string): Promise<ByteSource>;
}

/** What a model is wanted for: to be loaded, so that all of it is downloaded; or to be looked at, so that its weights are not. */
export type ModelUse = "load" | "look";

/** A model of the hub. */
export interface HubModel {
  /** Its folder, or its GGUF file. */
  readonly path: string;
  /** The commit that it is of. */
  readonly commit: string;
  readonly access: ModelAccess;
}

/**
 * What the program has of the hub. Two modules implement it, hub-node.ts and hub-web.ts; the package's import condition
 * `#hub` chooses.
 */
export interface Hub {
  /**
   * Finds a repository, by the hub or, without a network, in the cache.
   *
   * @throws InputError when there is none that we may see.
   */
  openRepo(type: RepoType, id: HubId, observer?: HubObserver): Promise<HubRepo>;
  /**
   * Downloads what of a model we can read, unless it is in the cache; of one to look at the configs, and later what is
   * asked for.
   *
   * @throws InputError when it cannot be had, or there is nothing that we can read.
   */
  getModel(id: HubId, observer?: HubObserver, use?: ModelUse): Promise<HubModel>;
}
