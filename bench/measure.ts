import { WorkerProcess } from "./process.js";
import type { Measured, MeasuredRow, Reference, Row, Side } from "./row.js";
import type { Ready, Repetition } from "./serve.js";

/** How rows are measured. */
export interface MeasureOptions {
  /** Repetitions after the warm-up. */
  readonly repeat: number;
  readonly python: string | undefined;
  /** Told the versions that a worker runs with. */
  readonly onVersions: (versions: Ready["versions"]) => void;
}

/**
 * Measures a row. Its sides take turns, one repetition each, so that what disturbs the machine disturbs all of them; every
 * side is a process of its own, so that its peak memory is its own.
 */
export async function measureRow(suite: string, row: Row, options: MeasureOptions): Promise<MeasuredRow> {
  const { ours, references = [], ...rest } = row;
  const all: readonly (Side | Reference)[] = [ours, ...references];
  const timers = all.map((side) => new Timer(side, options));
  // The warm-up.
  for (const timer of timers) await timer.turn();
  for (let i = 0; i < options.repeat; i++) for (const timer of timers) await timer.turn();
  const measured = await Promise.all(timers.map((timer) => timer.finish()));
  return {
    suite,
    ...rest,
    ours: { ...ours, ...measured[0]! },
    references: references.map((side, i) => ({ ...side, ...measured[i + 1]! })),
  };
}

/** Collects the figures of a side. A side that fails is left out of further turns. */
class Timer {
  readonly #side: Side;
  readonly #options: MeasureOptions;
  readonly #repetitions: Repetition[] = [];
  #worker: WorkerProcess | undefined;
  #failed: string | undefined;

  constructor(side: Side, options: MeasureOptions) {
    this.#side = side;
    this.#options = options;
  }

  async turn(): Promise<void> {
    if (this.#failed !== undefined) return;
    try {
      this.#worker ??= await this.#start();
      this.#repetitions.push(await this.#worker.repeat());
      if (this.#side.fresh) await this.#end();
    } catch (error) {
      this.#failed = (error as Error).message;
      await this.#end();
    }
  }

  async finish(): Promise<Measured> {
    await this.#end();
    if (this.#failed !== undefined) return { seconds: [], peakBytes: 0, failed: this.#failed };
    return {
      seconds: this.#repetitions.slice(1).map(({ seconds }) => seconds),
      peakBytes: Math.max(...this.#repetitions.map(({ peakBytes }) => peakBytes)),
    };
  }

  async #start(): Promise<WorkerProcess> {
    const { worker, ready } = await WorkerProcess.start(this.#side, this.#options);
    this.#options.onVersions(ready.versions);
    return worker;
  }

  async #end(): Promise<void> {
    await this.#worker?.end();
    this.#worker = undefined;
  }
}
