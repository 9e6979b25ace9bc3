import { type FileHandle, open } from "node:fs/promises";
import { InputError } from "../errors.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import { isObject, readTextFileIfPresent } from "../io/json-file.js";

/** What is measured at a step. */
export interface Metrics {
  readonly step: number;
  readonly [name: string]: number | string | boolean | undefined;
}

/**
 * `metrics.jsonl`: one JSON object a line, appended as it is measured, each line handed to the operating system before
 * {@link MetricsFile.append} returns, so that a killed run loses none.
 */
export class MetricsFile {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Starts the file of a new run, in place of any that is there. */
  static async create(path: string): Promise<MetricsFile> {
    return new MetricsFile(await open(path, "w"));
  }

  /**
   * Continues the file of a run that goes on after `step`: what it measured later is cut off, in one piece.
   *
   * @throws InputError when a line is not a metric.
   */
  static async resume(path: string, step: number): Promise<MetricsFile> {
    const text = (await readTextFileIfPresent(path)) ?? "";
    // What follows the last line feed is a line that was being written when the run was killed.
    const lines = text.split("\n").slice(0, -1);
    const kept = lines.filter((line, index) => stepOf(`${path}:${index + 1}`, line) <= step);
    await writeFileAtomic(path, kept.map((line) => `${line}\n`).join(""));
    return new MetricsFile(await open(path, "a"));
  }

  async append(metrics: Metrics): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify(metrics)}\n`);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function stepOf(where: string, line: string): number {
  let metrics: unknown;
  try {
    metrics = JSON.parse(line);
  } catch (error) {
    throw new InputError(where, "is not valid JSON; remove the line to resume", { cause: error });
  }
  if (!isObject(metrics) || typeof metrics.step !== "number") {
    throw new InputError(
      `${where}: field "step"`,
      "is missing, expected a number; remove the line to resume",
    );
  }
  return metrics.step;
}
