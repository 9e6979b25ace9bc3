import type { TrainerCallback, TrainerEvent } from "./callback.js";

/** Asks for a checkpoint after an evaluation that is better than all before it, and for none after another. */
export class SaveBestModelCallback implements TrainerCallback {
  onEvaluate({ state, control }: TrainerEvent, { evalLoss }: { readonly evalLoss: number }): void {
    const better = state.best === undefined || evalLoss < state.best.loss;
    if (better) state.best = { loss: evalLoss, step: state.globalStep };
    control.shouldSave = better;
  }
}
