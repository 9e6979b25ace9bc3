import { setTimeout as delay } from "node:timers/promises";
import { InputError } from "../../errors.js";
import type { HubObserver } from "./hub.js";
import { refusal, type Subject, unreachable } from "./hub-error.js";
import { type HubSettings, isHubAddress } from "./settings.js";

/** How often a request is made before it has failed. */
export const attempts = 5;

/** The longest that the hub may ask us to wait, in s. */
const longestWait = 300;

const redirections = new Set([301, 302, 303, 307, 308]);
const mostRedirections = 8;

/** Answers that another try may change. */
const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/** An answer, with the headers of the hub itself where it sent us on to another server. */
export interface Answer {
  readonly response: Response;
  /** Of the first answer: the hub's own. */
  readonly headers: Headers;
}

/** Speaks with the hub: repeats what fails in passing, and says who we are to the hub and to nobody else. */
export class HubClient {
  readonly settings: HubSettings;
  readonly observer: HubObserver;

  constructor(settings: HubSettings, observer: HubObserver = {}) {
    this.settings = settings;
    this.observer = observer;
  }

  /**
   * Asks for something.
   *
   * @param tries how often before it has failed.
   * @param expected answers beside success that whoever asks knows what to do with.
   * @throws InputError when the answer is a refusal, or none comes.
   */
  async request(
    url: string,
    subject: Subject,
    init: RequestInit = {},
    tries = attempts,
    expected: readonly number[] = [],
  ): Promise<Answer> {
    for (let failed = 1; ; failed++) {
      const last = failed >= tries;
      const answer = await this.#once(url, init).catch((error: unknown) => {
        if (init.signal?.aborted) throw error;
        return unreachable(error, subject, this.settings);
      });
      if (answer instanceof InputError) {
        if (last) throw answer;
        await this.#wait(failed, null, subject, init.signal);
        continue;
      }
      const { response } = answer;
      if (response.ok || expected.includes(response.status)) return answer;
      await response.body?.cancel();
      const refused = refusal(response, subject, this.settings);
      if (last || !isPassing(response.status)) throw refused;
      await this.#wait(failed, response.headers.get("retry-after"), subject, init.signal, refused);
    }
  }

  /** The same, with the interface of `fetch`, for `@huggingface/hub`. */
  fetchFor(subject: Subject, tries = attempts): typeof fetch {
    return async (input, init) => {
      if (input instanceof Request) throw new TypeError("HubClient: expected an address");
      const url = String(input);
      // Xet's storage is asked which chunks it has: 404 says that one is new.
      const expected = isHubAddress(url, this.settings) ? [] : [404];
      return (await this.request(url, subject, init, tries, expected)).response;
    };
  }

  /** One request, and those that it is sent on to. */
  async #once(url: string, init: RequestInit): Promise<Answer> {
    const { method = "GET" } = init;
    const follows = method === "GET" || method === "HEAD";
    let at = new URL(url);
    let first: Headers | undefined;
    for (let hops = 0; hops <= mostRedirections; hops++) {
      const response = await this.#fetch(at, { ...init, redirect: follows ? "manual" : "follow" });
      first ??= response.headers;
      const location = response.headers.get("location");
      if (!redirections.has(response.status) || location === null) return { response, headers: first };
      await response.body?.cancel();
      at = new URL(location, at);
    }
    throw new Error(`it was sent on more than ${mostRedirections} times`);
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    const { token, stallTimeout } = this.settings;
    const headers = new Headers(init.headers);
    headers.set("user-agent", "tptt");
    // Sizes and ranges are those of the files, so nothing may be packed on the way.
    headers.set("accept-encoding", "identity");
    if (isHubAddress(url, this.settings) && token !== undefined)
      headers.set("authorization", `Bearer ${token}`);
    const silence = new AbortController();
    const timer = setTimeout(
      () => silence.abort(new Error(`silent for ${stallTimeout / 1000} s`)),
      stallTimeout,
    );
    const signals = [silence.signal, ...(init.signal ? [init.signal] : [])];
    // An upload is silent for as long as it takes.
    if (init.body !== undefined) clearTimeout(timer);
    try {
      return await fetch(url, { ...init, headers, signal: AbortSignal.any(signals) });
    } finally {
      clearTimeout(timer);
    }
  }

  async #wait(
    failed: number,
    retryAfter: string | null,
    subject: Subject,
    signal: AbortSignal | null | undefined,
    refused?: InputError,
  ): Promise<void> {
    const asked = secondsOf(retryAfter);
    if (refused && asked !== undefined && asked > longestWait) throw refused;
    const ms = asked === undefined ? this.settings.retryDelay * 2 ** (failed - 1) : 1000 * asked;
    if (ms >= 5000)
      this.observer.note?.(`${subject.name}: the hub asks us to wait ${Math.ceil(ms / 1000)} s`);
    await delay(ms, undefined, signal ? { signal } : {});
  }
}

/** A `Retry-After` header: seconds, or a date. */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
