import { type FileHandle, open, rm } from "node:fs/promises";
import { writeFileAtomic } from "../io/atomic-file.js";
import { type Metrics, readMetricsLines } from "../io/metrics.js";
import type { MetricsSink } from "./metrics-sink.js";

/**
 * `metrics.jsonl`: one JSON object a line, appended as it is measured, each line handed to the operating system before
 * {@link MetricsFile.append} returns, so that a killed run loses none.
 */
export class MetricsFile implements MetricsSink {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Starts the file of a new run, in place of any that is there. */
  static async create(path: string): Promise<MetricsFile> {
    // Not written through a link to another file.
    await rm(path, { force: true });
    return new MetricsFile(await open(path, "wx"));
  }

  /**
   * Continues the file of a run that goes on after `step`: what it measured later is cut off, in one piece.
   *
   * @throws InputError when a line is not a metric.
   */
  static async resume(path: string, step: number): Promise<MetricsFile> {
    const lines = (await readMetricsLines(path)) ?? [];
    const kept = lines.filter(({ metrics }) => metrics.step <= step);
    await writeFileAtomic(path, kept.map(({ text }) => `${text}\n`).join(""));
    return new MetricsFile(await open(path, "a"));
  }

  async append(metrics: Metrics): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify(metrics)}\n`);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
