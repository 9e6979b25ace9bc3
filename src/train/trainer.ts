import { Run } from "./run.js";
import type { TrainerOptions, TrainingResult } from "./trainer-options.js";

/** Trains a titan's trainable weights: batches, gradients, clipping, AdamW, a schedule, callbacks, checkpoints. */
export class Trainer {
  readonly #options: TrainerOptions;
  #stopping = false;

  constructor(options: TrainerOptions) {
    this.#options = options;
  }

  /** Ends the run after the step that is being taken, with a checkpoint. */
  stop(): void {
    this.#stopping = true;
  }

  /**
   * Trains to the last step.
   *
   * @throws InputError when the checkpoint to resume from is another run's. Error when the loss is not a number.
   */
  async train(): Promise<TrainingResult> {
    const run = await Run.start(this.#options);
    try {
      return await run.toEnd(() => this.#stopping);
    } finally {
      await run.close();
    }
  }
}
