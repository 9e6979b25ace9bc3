import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyOf, type Damage, json, refuse, send } from "./answers.js";
import { sha256 } from "./hub-store.js";
import { chunksOfXorb, filesOfShard } from "./xet.js";

/** How large files are uploaded: in one piece, in parts as those above 5 GB, or as chunks of Xet. */
export type Transfer = "basic" | "multipart" | "xet";

/** Bytes of a part. */
export const partSize = 65_536;

const xetToken = "xet-token";

/** The content of large files, and the ways in which they are uploaded. */
export class LargeStorage {
  /** By SHA-256. */
  readonly #contents: Map<string, Uint8Array>;
  /** Parts of contents that are not whole yet: by SHA-256, then number. */
  readonly #parts = new Map<string, Map<number, Uint8Array>>();
  /** Unpacked chunks, by the hash of their xorb. */
  readonly #xorbs = new Map<string, Uint8Array[]>();

  constructor(contents: Map<string, Uint8Array>) {
    this.#contents = contents;
  }

  /** What an uploader is to do about a content; nothing when it is there. */
  uploadAction(
    { oid, size }: { oid: string; size: number },
    transfer: Transfer,
    at: { readonly hub: string; readonly storage: string; readonly repo: string },
  ): object {
    if (this.#contents.has(oid)) return {};
    if (transfer === "xet") {
      const href = `${at.hub}/api/models/${at.repo}/xet-write-token/main`;
      return { actions: { upload: { href, header: { "X-Xet-Session-Id": "session" } } } };
    }
    if (transfer === "basic") return { actions: { upload: { href: `${at.storage}/large/${oid}` } } };
    const numbers = Array.from({ length: Math.ceil(size / partSize) }, (_, i) => i + 1);
    const header = {
      chunk_size: String(partSize),
      ...Object.fromEntries(
        numbers.map((part) => [String(part).padStart(5, "0"), `${at.storage}/parts/${oid}/${part}`]),
      ),
    };
    return { actions: { upload: { href: `${at.hub}/api/complete-multipart/${oid}`, header } } };
  }

  /** What is asked for before chunks are uploaded. */
  sendXetToken(response: ServerResponse, storage: string): void {
    json(response, { accessToken: xetToken, exp: Date.now() / 1000 + 3600, casUrl: `${storage}/cas` });
  }

  /** Puts parts together. */
  async complete(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { oid, parts } = JSON.parse(String(await bodyOf(request))) as {
      oid: string;
      parts: { partNumber: number; etag: string }[];
    };
    const found = parts.map(({ partNumber, etag }) => {
      const part = this.#parts.get(oid)?.get(partNumber);
      return part && sha256(part) === etag ? part : undefined;
    });
    const whole = found.every((part) => part !== undefined) ? Buffer.concat(found) : undefined;
    if (!whole || sha256(whole) !== oid) return refuse(response, 400);
    this.#contents.set(oid, whole);
    json(response, {});
  }

  /** Answers what the server of the storage is asked. */
  async answer(request: IncomingMessage, response: ServerResponse, damage?: Damage): Promise<void> {
    const { method, url = "", headers } = request;
    const [, area, first = "", second] = /^\/(large|parts|cas)\/([^/?]+)(?:\/([^?]+))?/.exec(url) ?? [];
    // Whoever sends the hub's token has given that away.
    const isKnown = headers.authorization === (area === "cas" ? `Bearer ${xetToken}` : undefined);
    if (!isKnown) return refuse(response, area === "cas" ? 401 : 400);
    if (area === "cas") return this.#answerXet(request, response, second ?? "");
    if (method === "PUT") {
      // As the real one's: a body of unknown length is not taken.
      if (headers["content-length"] === undefined) return refuse(response, 411);
      const bytes = await bodyOf(request);
      if (area === "large" && sha256(bytes) !== first) return refuse(response, 400);
      if (area === "large") this.#contents.set(first, bytes);
      else {
        const parts = this.#parts.get(first) ?? new Map<number, Uint8Array>();
        this.#parts.set(first, parts.set(Number(second), bytes));
      }
      response.setHeader("etag", sha256(bytes)).end();
      return;
    }
    const bytes = this.#contents.get(first);
    if (!bytes) return refuse(response, 404);
    await send(request, response, bytes, `"storage-${first.slice(0, 16)}"`, damage);
  }

  async #answerXet(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const body = await bodyOf(request);
    const [, xorb] = /^xorbs\/default\/(.+)$/.exec(path) ?? [];
    // Whether a chunk is known already: none is.
    if (request.method !== "POST") return refuse(response, 404);
    if (xorb !== undefined) this.#xorbs.set(xorb, chunksOfXorb(body));
    else {
      for (const { sha256: oid, runs } of filesOfShard(body)) {
        const chunks = runs.map(({ xorb, start, end }) => this.#xorbs.get(xorb)?.slice(start, end));
        const whole = chunks.every((found) => found)
          ? Buffer.concat(chunks.flat() as Uint8Array[])
          : undefined;
        if (!whole || sha256(whole) !== oid) return refuse(response, 400);
        this.#contents.set(oid, whole);
      }
    }
    json(response, { was_inserted: true });
  }
}
