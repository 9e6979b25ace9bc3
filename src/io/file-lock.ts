import { closeSync, openSync, readFileSync, rmSync, statSync, unlinkSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { errorCode } from "../errors.js";
import { isProcessAlive, startOf } from "../live-process.js";

/** Who holds a lock, as its file says in JSON. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** When the lock was taken, in ISO 8601. */
  readonly since: string;
  /** When the process was started, in clock ticks since the machine was; tells it from a later one of the same number. */
  readonly started?: string | undefined;
}

/** What {@link FileLock.acquire} does while another holds the lock. */
export interface LockWait {
  /** Told once, when there is somebody to wait for. */
  readonly onWait?: (holder: LockHolder) => void;
  /** Ends the waiting with its reason. */
  readonly signal?: AbortSignal;
}

/** Milliseconds between two looks at a lock that another holds. */
const pollInterval = 100;
/** A lock that names no holder for so long, in ms, was not finished: its process was killed in the microseconds that takes. */
const unfinishedAge = 1_000;

/**
 * A file that one process at a time holds: it exists while the lock is held, and says by whom.
 *
 * The lock of a process that no longer lives is taken over. Whether it lives can be seen on its own host alone, so one
 * that was left by another host stays until somebody deletes the file. It is advice: who does not ask is not stopped.
 */
export class FileLock {
  readonly path: string;
  readonly #text: string;
  #held = true;

  private constructor(path: string, text: string) {
    this.path = path;
    this.#text = text;
  }

  /** Takes the lock, or tells who holds it. The folder of the file must be there. */
  static async tryAcquire(path: string): Promise<FileLock | LockHolder> {
    const target = resolve(path);
    for (;;) {
      const text = JSON.stringify(thisProcess());
      if (create(target, text)) return new FileLock(target, text);
      const found = look(target);
      if (found === undefined) continue; // Released just now.
      const holder = holderIn(found.text);
      if (holder ? isAlive(holder) : found.age < unfinishedAge) {
        if (holder) return holder;
        await delay(pollInterval / 10);
      } else if (!remove(target, found.text)) await delay(pollInterval / 10);
    }
  }

  /** Takes the lock, as soon as nobody else holds it. */
  static async acquire(path: string, { onWait, signal }: LockWait = {}): Promise<FileLock> {
    for (let told = false; ; told = true) {
      signal?.throwIfAborted();
      const found = await FileLock.tryAcquire(path);
      if (found instanceof FileLock) return found;
      if (!told) onWait?.(found);
      await delay(pollInterval, undefined, { signal });
    }
  }

  /** Gives the lock back; again changes nothing. */
  release(): void {
    if (this.#held && look(this.path)?.text === this.#text) rmSync(this.path, { force: true });
    this.#held = false;
  }
}

/** `process 123 on host name, since 2026-01-31T12:00:00.000Z`. */
export const describeHolder = ({ pid, host, since }: LockHolder): string =>
  `process ${pid} on host ${host}, since ${since}`;

// The file calls here are the synchronous ones: what must not be torn apart is then microseconds, whatever else the process does.

/** Makes the file, unless there is one. */
function create(path: string, text: string): boolean {
  let file: number;
  try {
    file = openSync(path, "wx");
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
  try {
    writeSync(file, text);
    return true;
  } catch (error) {
    rmSync(path, { force: true }); // The disk is full.
    throw error;
  } finally {
    closeSync(file);
  }
}

/** What a lock's file holds, and its age in ms; undefined when there is none. */
function look(path: string): { readonly text: string; readonly age: number } | undefined {
  try {
    return { text: readFileSync(path, "utf8"), age: Math.abs(Date.now() - statSync(path).mtimeMs) };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Removes a lock whose holder is dead. Of several that see it so at once only one may, or the second would remove what
 * the first has put in its place: a second file guards the removal.
 *
 * @returns false when another is about it.
 */
function remove(path: string, text: string): boolean {
  const guard = `${path}.takeover`;
  if (!create(guard, "")) {
    const found = look(guard);
    if (found && found.age >= unfinishedAge) rmSync(guard, { force: true }); // Killed while it held the guard.
    return false;
  }
  try {
    if (look(path)?.text === text) unlinkSync(path);
    return true;
  } finally {
    rmSync(guard, { force: true });
  }
}

function holderIn(text: string): LockHolder | undefined {
  try {
    const { pid, host, since, started } = JSON.parse(text) as Partial<Record<keyof LockHolder, unknown>>;
    if (!Number.isSafeInteger(pid) || typeof host !== "string" || typeof since !== "string") return undefined;
    return { pid: pid as number, host, since, started: typeof started === "string" ? started : undefined };
  } catch {
    return undefined;
  }
}

const thisProcess = (): LockHolder => ({
  pid: process.pid,
  host: hostname(),
  since: new Date().toISOString(),
  started: startOf(process.pid),
});

function isAlive({ pid, host, started }: LockHolder): boolean {
  return host !== hostname() || isProcessAlive(pid, started);
}
