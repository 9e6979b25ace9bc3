import { copyFile, link, mkdtemp, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { busyShare } from "./machine.js";
import { WorkerProcess } from "./process.js";
import type { Measured, MeasuredRow, Row, Side } from "./row.js";
import type { Ready, Repetition } from "./serve.js";

/** How rows are measured. */
export interface MeasureOptions {
  /** Repetitions after the warm-up. */
  readonly repeat: number;
  readonly python: string | undefined;
  /** A folder for the homes of processes that start without a cache. */
  readonly scratch: string;
  /** Told the versions that a worker runs with. */
  readonly onVersions: (versions: Ready["versions"]) => void;
}

/** Others than the package do their work once, without a warm-up, where that takes longer, in seconds. */
const slow = 20;

/**
 * Measures a row, or the rows of a group. All sides take turns, one timed repetition each after one that is not, so that
 * what disturbs the machine disturbs all of them; every side is a process of its own, so that its peak memory is its own.
 */
export async function measureRows(
  suite: string,
  rows: readonly Row[],
  options: MeasureOptions,
): Promise<MeasuredRow[]> {
  const busy = await busyShare();
  const began = performance.now();
  const timers = new Map<string, Timer>();
  for (const { ours, references = [] } of rows)
    for (const side of [ours, ...references]) timers.set(keyOf(side), new Timer(side, options));

  const measured = new Map<string, Measured>();
  const once = rows.every((row) => row.once);
  // Starting is not timed here, so they start together.
  if (!once) await Promise.all([...timers.values()].map((timer) => timer.getReady()));
  for (let i = 0; i <= (once ? 0 : options.repeat); i++) {
    for (const [key, timer] of timers) {
      if (i === 0 || !timer.slow) await timer.turn();
      if (once || (i === 0 && timer.slow)) measured.set(key, await timer.finish(0));
    }
  }
  // The first turn was the warm-up.
  for (const [key, timer] of timers) if (!measured.has(key)) measured.set(key, await timer.finish(1));

  const figures = <S extends Side>(side: S): S & Measured => ({ ...side, ...measured.get(keyOf(side))! });
  const took = (performance.now() - began) / 1000 / rows.length;
  return rows.map(({ ours, references = [], ...rest }) => ({
    suite,
    ...rest,
    busy,
    took,
    ours: figures(ours),
    references: references.map(figures),
  }));
}

/** Sides that do the same are one. */
const keyOf = ({ program, work, start }: Side): string => JSON.stringify([program, work, start]);

/** Collects the figures of a side. A side that fails is left out of further turns. */
class Timer {
  readonly #side: Side;
  readonly #options: MeasureOptions;
  readonly #repetitions: Repetition[] = [];
  #worker: WorkerProcess | undefined;
  #home: string | undefined;
  #failed: string | undefined;

  constructor(side: Side, options: MeasureOptions) {
    this.#side = side;
    this.#options = options;
  }

  /** Whether once has to do. */
  get slow(): boolean {
    return this.#side.program !== "tptt" && (this.#repetitions[0]?.seconds ?? 0) > slow;
  }

  /** Starts the process that does all repetitions, where there is one. */
  getReady(): Promise<void> {
    return this.#attempt(async () => {
      if (!this.#side.start) this.#worker = await this.#start();
    });
  }

  turn(): Promise<void> {
    const { start } = this.#side;
    return this.#attempt(async () => {
      this.#worker ??= await this.#start();
      // Memory that it freed while it waited has gone back to the system, or to the host of a virtual machine.
      if (!start && this.#repetitions.length > 0) await this.#worker.repeat();
      this.#repetitions.push(await this.#worker.repeat());
      if (start) await this.#end();
      if (start === "first") await this.#leaveHome();
    });
  }

  async #attempt(fn: () => Promise<void>): Promise<void> {
    if (this.#failed !== undefined) return;
    try {
      await fn();
    } catch (error) {
      this.#failed = (error as Error).message;
      await this.#end();
    }
  }

  /** What was measured after so many repetitions to warm up. */
  async finish(warmUp: number): Promise<Measured> {
    await this.#end();
    await this.#leaveHome();
    const counted = this.#repetitions.slice(warmUp);
    const failed = this.#failed ?? (counted.length === 0 ? "was not repeated" : undefined);
    if (failed !== undefined) return { seconds: [], peakBytes: 0, failed };
    const { loss } = counted.at(-1)!;
    return {
      seconds: counted.map(({ seconds }) => seconds),
      peakBytes: Math.max(...this.#repetitions.map(({ peakBytes }) => peakBytes)),
      ...(loss === undefined ? {} : { loss }),
    };
  }

  async #start(): Promise<WorkerProcess> {
    const { start, ...side } = this.#side;
    if (start) this.#home ??= await mkdtemp(join(this.#options.scratch, "home-"));
    const work = this.#home ? await bringModel(side.work, this.#home) : side.work;
    const options = { ...this.#options, home: this.#home };
    const { worker, ready } = await WorkerProcess.start({ ...side, work }, options);
    this.#options.onVersions(ready.versions);
    return worker;
  }

  async #end(): Promise<void> {
    await this.#worker?.end();
    this.#worker = undefined;
  }

  async #leaveHome(): Promise<void> {
    if (this.#home) await rm(this.#home, { recursive: true, force: true });
    this.#home = undefined;
  }
}

/** The same work with the model's file in a folder of its own, beside which no cache lies but what is made there. */
async function bringModel<W extends Side["work"]>(work: W, folder: string): Promise<W> {
  if (!("model" in work)) return work;
  const model = join(folder, basename(work.model));
  await link(work.model, model).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === "EXDEV") await copyFile(work.model, model);
    else if (error.code !== "EEXIST") throw error;
  });
  return { ...work, model };
}
