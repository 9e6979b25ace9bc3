import { InputError } from "../../errors.js";
import { type ByteSource, checkRange } from "../byte-source.js";
import { problemIn, startOf, takeBody } from "./answer.js";
import { attempts, type HubClient } from "./client.js";
import type { HubFile } from "./hub.js";
import { placeOf, type Subject, unreachable } from "./hub-error.js";

/** Bytes that are asked for at least at the beginning of a file: more than the headers of most have. */
const ahead = 2 ** 17;

/** Headers are read in steps; of what comes behind the longest of them nothing is kept. */
const longestKept = 2 ** 27;

/** A file of the hub, read where it lies: only the bytes that are asked for are sent. */
export class RemoteFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #client: HubClient;
  readonly #file: HubFile & { readonly url: string; readonly subject: Subject };
  /** The first bytes of the file, as far as they were read. */
  #start = new Uint8Array(0);

  constructor(client: HubClient, file: HubFile & { readonly url: string; readonly subject: Subject }) {
    this.name = placeOf(file.subject);
    this.size = file.size;
    this.#client = client;
    this.#file = file;
  }

  async read(offset: number, length: number, what = "data"): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this, offset, length, what);
    const end = offset + length;
    const known = this.#start.length;
    if (offset > known || end > longestKept) return this.#receive(offset, end);
    if (end > known) {
      const more = await this.#receive(known, Math.min(this.size, Math.max(end, ahead)));
      const start = new Uint8Array(known + more.length);
      start.set(this.#start);
      start.set(more, known);
      this.#start = start;
    }
    return this.#start.slice(offset, end);
  }

  async close(): Promise<void> {
    this.#start = new Uint8Array(0);
  }

  /** The bytes of a range, in as many goes as it takes; each that brings something starts the count of tries again. */
  async #receive(offset: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(end - offset);
    const { settings } = this.#client;
    const { url, subject, etag, size } = this.#file;
    for (let [done, failed] = [0, 0]; done < bytes.length; ) {
      const stop = new AbortController();
      const from = offset + done;
      const headers = { range: `bytes=${from}-${end - 1}` };
      const answer = await this.#client.request(url, subject, { headers, signal: stop.signal });
      const problem = problemIn(answer, etag, size);
      if (problem) {
        stop.abort();
        throw new InputError(this.name, problem);
      }
      const { response } = answer;
      // Whoever knows no ranges sends all from the beginning.
      let at = response.status === 206 ? startOf(response) : 0;
      if (!(at <= from)) {
        stop.abort();
        throw new InputError(this.name, `comes without the bytes from ${from} on; try another HF_ENDPOINT`);
      }
      const cut = await takeBody(response, stop, settings, async (piece) => {
        const skipped = Math.min(offset + done - at, piece.length);
        at += piece.length;
        const wanted = piece.subarray(skipped, skipped + bytes.length - done);
        bytes.set(wanted, done);
        done += wanted.length;
        return done < bytes.length;
      });
      failed = offset + done > from ? 0 : failed + 1;
      if (failed >= attempts) throw unreachable(cut, subject, settings);
    }
    return bytes;
  }
}
