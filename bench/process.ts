import { type ChildProcessByStdio, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { mallocSettings } from "#dist/cli/malloc-settings.js";
import type { Program, Side } from "./row.js";
import type { Ready, Repetition } from "./serve.js";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The command that starts a worker. */
function commandOf(program: Program, python: string | undefined): [string, ...string[]] {
  switch (program) {
    case "tptt":
      return [process.execPath, here("worker.js")];
    case "llama.cpp":
      return [process.execPath, here("llama-worker.js")];
    case "python":
      return [python ?? "python3", here("../reference/worker.py")];
  }
}

/** How a worker is started. */
export interface WorkerOptions {
  readonly python?: string | undefined;
  /** Where profiles begin; only the package writes some. */
  readonly profile?: string;
  /** The process's home, where it keeps its caches; default the user's. */
  readonly home?: string | undefined;
}

/** A worker that says nothing for so long, in seconds, is given up. */
const patience = 300;

/** Workers do not outlive the benchmark. */
const running = new Set<ChildProcessByStdio<Writable, Readable, Readable>>();
process.once("exit", () => {
  for (const child of running) child.kill();
});

/** A process that does one piece of work, as often as it is asked to. */
export class WorkerProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #ended: Promise<string>;
  #complaints = "";

  private constructor({ program, work }: Side, { python, profile, home }: WorkerOptions) {
    const [command, ...args] = commandOf(program, python);
    const all = [...args, JSON.stringify(work), ...(profile ? [profile] : [])];
    this.#child = spawn(command, all, {
      stdio: ["pipe", "pipe", "pipe"],
      env: {
        ...((program === "tptt" && mallocSettings()) || process.env), // As the command runs itself.
        ...(home ? { HOME: home, XDG_CACHE_HOME: join(home, ".cache") } : {}),
      },
    });
    running.add(this.#child);
    this.#reader = createInterface(this.#child.stdout);
    this.#lines = this.#reader[Symbol.asyncIterator]();
    this.#child.stderr.on("data", (piece: Buffer) => {
      this.#complaints = (this.#complaints + piece).slice(-2000);
    });
    this.#child.stdin.on("error", () => {}); // It has ended: the next answer says so.
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", (error) => resolve(error.message));
      this.#child.on("close", (code, signal) => {
        running.delete(this.#child);
        resolve(signal ? `killed by ${signal}` : `exit code ${code}`);
      });
    });
  }

  /** Starts a worker and waits until it is ready. */
  static async start(side: Side, options: WorkerOptions): Promise<{ worker: WorkerProcess; ready: Ready }> {
    const worker = new WorkerProcess(side, options);
    return { worker, ready: (await worker.#answer()) as Ready };
  }

  /** Has the work done once. @throws Error when the process ends instead. */
  async repeat(): Promise<Repetition> {
    this.#child.stdin.write("\n");
    return (await this.#answer()) as Repetition;
  }

  /** Ends the process and waits for it, not for ever. */
  async end(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 30_000);
    this.#child.stdin.end();
    await this.#ended;
    clearTimeout(timer);
  }

  async #answer(): Promise<Ready | Repetition> {
    const timer = setTimeout(() => {
      this.#complaints = `error: no answer within ${patience} s`;
      this.#child.kill();
    }, patience * 1000);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    if (!done) return JSON.parse(value) as Ready | Repetition;
    const ended = await this.#ended;
    const lines = this.#complaints.trim().split("\n");
    const complaint = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1);
    throw new Error(complaint ? `${ended}: ${complaint.trim()}` : ended);
  }
}
