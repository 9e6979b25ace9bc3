import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { bodyOf, cutAfter, type Damage, json, refuse, send } from "./answers.js";
import {
  commitAt,
  HubStore,
  isLarge,
  type RepoOptions,
  type StoredCommit,
  type StoredRepo,
  type StoreType,
} from "./hub-store.js";
import { LargeStorage, type Transfer } from "./large-storage.js";

/** Who a token belongs to. */
export interface Account {
  readonly name: string;
  /** May create and change repositories of its own name and of these organizations. */
  readonly writes?: boolean;
  readonly organizations?: readonly string[];
  /** Was given access to gated repositories. */
  readonly gated?: boolean;
}

/** Something that goes wrong. */
export interface Fault extends Damage {
  /** Of requests whose path contains it. */
  readonly path: string;
  readonly method?: string;
  /** How often. Default: 1. */
  readonly times?: number;
  /** Answers with this status instead. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Cuts the connection after so many bytes of the request's body. */
  readonly cutBody?: number;
  /** Does what is asked, and cuts the connection in place of an answer. */
  readonly losesAnswer?: boolean;
}

/** What was asked. */
export interface Logged {
  readonly server: "hub" | "storage";
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  /** Bytes that were sent, headers too. */
  sent: number;
}

export interface LocalHubOptions {
  /** Holds `models/org/name` and `datasets/org/name`; what is pushed is written there. */
  readonly folder?: string;
  readonly port?: number;
  readonly accounts?: Readonly<Record<string, Account>>;
  /** Entries of a page of a listing. */
  readonly pageSize?: number;
  /** How large files are uploaded. Default: basic. */
  readonly transfer?: Transfer;
}

/** The parts of an address of a repository's API. */
const apiPath =
  /^\/api\/(model|dataset)s\/([^/]+\/[^/]+)(?:\/(revision|tree|preupload|commit|xet-write-token)\/([^/]+)(?:\/(.+))?)?$/;
const resolvePath = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/;
const cachedPath = /^\/api\/resolve-cache\/(model|dataset)s\/([^/]+\/[^/]+)\/([^/]+)\/(.+)$/;
const batchPath = /^\/(datasets\/)?([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/;

/**
 * A hub on this machine that speaks the API of the real one, as far as tools read and write models and data sets: its
 * large files are on a second server that refuses tokens, as the real one's storage does.
 */
export class LocalHub {
  readonly store: HubStore;
  readonly requests: Logged[] = [];
  readonly #options: LocalHubOptions;
  readonly #faults: { fault: Fault; left: number }[] = [];
  readonly #hub: Server;
  readonly #storage: Server;
  readonly #large: LargeStorage;

  private constructor(store: HubStore, options: LocalHubOptions) {
    this.store = store;
    this.#options = options;
    this.#large = new LargeStorage(store.large);
    this.#hub = this.#server("hub", (request, response) => this.#answer(request, response));
    this.#storage = this.#server("storage", (request, response) => this.#answerStorage(request, response));
  }

  static async start(options: LocalHubOptions = {}): Promise<LocalHub> {
    const hub = new LocalHub(await HubStore.open(options.folder), options);
    await listen(hub.#hub, options.port ?? 0);
    await listen(hub.#storage, 0);
    return hub;
  }

  get url(): string {
    return addressOf(this.#hub);
  }

  /** A new repository with files. @returns its commit. */
  async add(
    type: StoreType,
    name: string,
    files: Readonly<Record<string, string | Uint8Array>>,
    options: RepoOptions = {},
  ): Promise<string> {
    this.store.create(type, name, options);
    return this.store.commit(type, name, files);
  }

  /** Has something go wrong. */
  fail(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 });
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  #server(
    server: Logged["server"],
    answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  ): Server {
    return createServer((request, response) => {
      const { method = "GET", url: path = "/", headers } = request;
      const logged: Logged = {
        server,
        method,
        path,
        authorization: headers.authorization,
        range: headers.range,
        sent: 0,
      };
      this.requests.push(logged);
      const { socket } = request;
      const before = socket.bytesWritten;
      response.once("close", () => {
        logged.sent = socket.bytesWritten - before;
      });
      answer(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined);
      });
    });
  }

  #faultOf(request: IncomingMessage): Fault | undefined {
    const found = this.#faults.find(
      ({ fault, left }) =>
        left > 0 && request.url?.includes(fault.path) && (fault.method ?? request.method) === request.method,
    );
    if (found) found.left--;
    return found?.fault;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    const path = url.pathname;
    const fault = this.#faultOf(request);
    if (fault?.status !== undefined) return refuse(response, fault.status, undefined, fault.headers);
    if (fault?.cutBody !== undefined) return cutAfter(request, fault.cutBody);
    if (fault?.losesAnswer) response.end = () => response.destroy();
    const authorization = request.headers.authorization;
    const account = this.#options.accounts?.[authorization?.replace(/^Bearer /, "") ?? ""];
    if (authorization !== undefined && !account)
      return refuse(response, 401, undefined, {
        "x-error-message": "Invalid credentials in Authorization header",
      });
    if (path === "/api/whoami-v2") {
      if (!account) return refuse(response, 401);
      return json(response, { type: "user", name: account.name, orgs: [], auth: { type: "access_token" } });
    }
    if (path.startsWith("/api/complete-multipart/")) return this.#large.complete(request, response);
    if (path === "/api/repos/create") return this.#create(request, response, account);
    const [, apiType, apiName, what = "info", revision = "main", inside] = apiPath.exec(path) ?? [];
    const cached = cachedPath.exec(path);
    const resolve = cached
      ? [undefined, cached[1] === "dataset" ? "datasets/" : undefined, ...cached.slice(2)]
      : (resolvePath.exec(path) ?? []);
    const batch = batchPath.exec(path) ?? [];
    const name = apiName ?? resolve[2] ?? batch[2];
    if (name === undefined) return refuse(response, 404);
    const type = (apiType ?? (resolve[1] || batch[1] ? "dataset" : "model")) as StoreType;
    const repo = this.store.find(type, name);
    const isHidden = repo?.private && !mayWrite(account, name);
    if (!repo || isHidden) return refuse(response, account ? 404 : 401, "RepoNotFound");
    if (batch[2]) return this.#batch(request, response, account, name);
    if (what === "preupload" || what === "commit" || what === "xet-write-token") {
      if (!mayWrite(account, name)) return refuse(response, account ? 403 : 401);
      if (what === "xet-write-token") return this.#large.sendXetToken(response, addressOf(this.#storage));
      return what === "commit"
        ? this.#commit(request, response, repo, decodeURIComponent(revision))
        : preupload(request, response);
    }
    const commit = commitAt(repo, decodeURIComponent(resolve[3] ?? revision));
    if (!commit) return refuse(response, 404, "RevisionNotFound");
    if (resolve[4] !== undefined) {
      if (repo.gated && !account?.gated) return refuse(response, account ? 403 : 401, "GatedRepo");
      return this.#resolve(
        request,
        response,
        repo,
        commit,
        decodeURIComponent(resolve[4]),
        cached !== null,
        fault,
      );
    }
    if (what === "tree")
      return this.#tree(response, url, commit, inside === undefined ? "" : `${decodeURIComponent(inside)}/`);
    json(response, {
      _id: commit.oid.slice(0, 24),
      id: name,
      sha: commit.oid,
      private: repo.private ?? false,
      gated: repo.gated ? "manual" : false,
      downloads: 0,
      likes: 0,
      lastModified: new Date(0).toISOString(),
      createdAt: new Date(0).toISOString(),
      tags: [],
      siblings: [...commit.files.keys()].map((rfilename) => ({ rfilename })),
    });
  }

  #tree(response: ServerResponse, url: URL, { files }: StoredCommit, folder: string): void {
    const entries = [...files]
      .filter(([path]) => path.startsWith(folder))
      .map(([path, { bytes, oid, lfs }]) => ({
        type: "file",
        path,
        oid,
        size: bytes.byteLength,
        ...(lfs ? { lfs: { oid: lfs, size: bytes.byteLength, pointerSize: 134 } } : {}),
      }));
    const folders = new Set(
      entries.flatMap(({ path }) => (path.includes("/") ? [path.replace(/\/[^/]*$/, "")] : [])),
    );
    const all = [
      ...[...folders].map((path) => ({ type: "directory", path, oid: "0".repeat(40), size: 0 })),
      ...entries,
    ];
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const to = from + (this.#options.pageSize ?? 1000);
    if (to < all.length) {
      url.searchParams.set("cursor", String(to));
      response.setHeader("link", `<${url.href}>; rel="next"`);
    }
    json(response, all.slice(from, to));
  }

  async #resolve(
    request: IncomingMessage,
    response: ServerResponse,
    repo: StoredRepo,
    commit: StoredCommit,
    path: string,
    isCached: boolean,
    fault: Fault | undefined,
  ): Promise<void> {
    const file = commit.files.get(path);
    response.setHeader("x-repo-commit", commit.oid);
    if (!file) return refuse(response, 404, "EntryNotFound");
    const { bytes, oid, lfs } = file;
    response.setHeader("x-linked-etag", `"${lfs ?? oid}"`);
    response.setHeader("x-linked-size", String(bytes.byteLength));
    response.setHeader("etag", `"${lfs ?? oid}"`);
    if (lfs) {
      response.writeHead(302, { location: `${addressOf(this.#storage)}/large/${lfs}?signed=1` }).end();
    } else if (!isCached) {
      const inside = path.split("/").map(encodeURIComponent).join("/");
      response
        .writeHead(307, { location: `/api/resolve-cache/${repo.type}s/${repo.name}/${commit.oid}/${inside}` })
        .end();
    } else {
      await send(request, response, bytes, `"${oid}"`, fault);
    }
  }

  async #create(
    request: IncomingMessage,
    response: ServerResponse,
    account: Account | undefined,
  ): Promise<void> {
    const { name, organization, type = "model", visibility } = JSON.parse(String(await bodyOf(request)));
    const full = `${organization ?? account?.name}/${name}`;
    if (!mayWrite(account, full)) return refuse(response, account ? 403 : 401);
    if (this.store.find(type, full)) return refuse(response, 409);
    this.store.create(type, full, { private: visibility === "private" });
    json(response, { url: `${this.url}/${full}`, id: full, name: full });
  }

  async #batch(
    request: IncomingMessage,
    response: ServerResponse,
    account: Account | undefined,
    name: string,
  ): Promise<void> {
    if (!mayWrite(account, name)) return refuse(response, account ? 403 : 401);
    const { objects } = JSON.parse(String(await bodyOf(request))) as {
      objects: { oid: string; size: number }[];
    };
    const { transfer = "basic" } = this.#options;
    const at = { hub: this.url, storage: addressOf(this.#storage), repo: name };
    json(response, {
      transfer,
      objects: objects.map((object) => ({ ...object, ...this.#large.uploadAction(object, transfer, at) })),
    });
  }

  async #commit(
    request: IncomingMessage,
    response: ServerResponse,
    { type, name }: StoredRepo,
    branch: string,
  ): Promise<void> {
    const lines = String(await bodyOf(request))
      .split("\n")
      .filter(Boolean);
    const changes: Record<string, Uint8Array | undefined> = {};
    for (const { key, value } of lines.map((line) => JSON.parse(line))) {
      if (key === "file") changes[value.path] = Buffer.from(value.content, value.encoding);
      if (key === "deletedFile") changes[value.path] = undefined;
      if (key !== "lfsFile") continue;
      const bytes = this.store.large.get(value.oid);
      if (!bytes)
        return refuse(response, 400, undefined, { "x-error-message": `${value.path} was not uploaded` });
      changes[value.path] = bytes;
    }
    const oid = await this.store.commit(type, name, changes, { branch });
    json(response, {
      success: true,
      commitOid: oid,
      commitUrl: `${this.url}/${name}/commit/${oid}`,
      hookOutput: "",
    });
  }

  /** The second server. */
  async #answerStorage(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = this.#faultOf(request);
    if (fault?.status !== undefined) return refuse(response, fault.status, undefined, fault.headers);
    if (fault?.cutBody !== undefined) return cutAfter(request, fault.cutBody);
    await this.#large.answer(request, response, fault);
  }
}

const mayWrite = (account: Account | undefined, name: string): boolean => {
  const [organization = ""] = name.split("/");
  return account?.writes === true && [account.name, ...(account.organizations ?? [])].includes(organization);
};

async function preupload(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { files } = JSON.parse(String(await bodyOf(request))) as { files: { path: string; size: number }[] };
  json(response, {
    files: files.map(({ path, size }) => ({ path, uploadMode: isLarge(path, size) ? "lfs" : "regular" })),
  });
}

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((done, failed) => {
    server.once("error", failed).listen(port, "127.0.0.1", done);
  });

const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
