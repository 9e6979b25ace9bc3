import { writeError } from "../errors.js";
import { EventFile } from "../io/event-file.js";
import type { Metrics } from "../io/metrics.js";
import type { MetricsSink } from "./metrics-sink.js";

/**
 * A run's metrics as TensorBoard event files, with the tags of Hugging Face's Trainer: `eval_loss` is `eval/loss`, `loss`
 * is `train/loss`. The file is made with the first metrics, so that a run that fails before leaves none. A run that goes
 * on has one more file in the same folder, and TensorBoard forgets what the one before measured later.
 */
export class TensorBoardFile implements MetricsSink {
  readonly #folder: string;
  readonly #resumedAt: number | undefined;
  #file: EventFile | undefined;

  constructor(folder: string, resumedAt: number | undefined) {
    this.#folder = folder;
    this.#resumedAt = resumedAt;
  }

  async append({ step, ...values }: Metrics): Promise<void> {
    this.#file ??= await this.#open();
    const scalars = Object.entries(values)
      .filter(([, value]) => typeof value === "number" || typeof value === "boolean")
      .map(([name, value]) => [tagOf(name), Number(value)] as const);
    await this.#file.appendScalars(step, scalars);
  }

  async #open(): Promise<EventFile> {
    const file = await EventFile.create(this.#folder).catch((error: unknown) => {
      throw writeError(this.#folder, error);
    });
    if (this.#resumedAt !== undefined) await file.appendStart(this.#resumedAt + 1);
    return file;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

const tagOf = (name: string) => (name.startsWith("eval_") ? `eval/${name.slice(5)}` : `train/${name}`);
