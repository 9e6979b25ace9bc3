import type { TrainerCallback, TrainerEvent } from "./callback.js";

/** Asks for a checkpoint after every evaluation that is better than all before it. */
export class SaveBestModelCallback implements TrainerCallback {
  /** Asks for a checkpoint where the evaluation was the best so far. */
  onEvaluate({ state, control }: TrainerEvent): void {
    if (state.best?.step === state.globalStep) control.shouldSave = true;
  }
}
