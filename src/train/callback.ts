import type { TpttModel } from "../tptt/tptt-model.js";

/** How far a run is. */
export interface TrainerState {
  /** Steps taken; at a callback before training, 0. */
  readonly globalStep: number;
  readonly maxSteps: number;
  /** The lowest evaluation loss so far, and the step it was measured at. */
  readonly best: { readonly loss: number; readonly step: number } | undefined;
}

/** What callbacks may ask of the trainer; read after each event. */
export interface TrainerControl {
  shouldSave: boolean;
  shouldEvaluate: boolean;
  shouldStop: boolean;
}

/** Named numbers of a step. */
export type Logs = Record<string, number | boolean>;

/** What an event tells. */
export interface TrainerEvent {
  readonly model: TpttModel;
  readonly state: TrainerState;
  readonly control: TrainerControl;
}

/** Takes part in training; the names are those of Hugging Face's TrainerCallback. */
export interface TrainerCallback {
  /** Before the first step; also of a resumed run. */
  onTrainBegin?(event: TrainerEvent): void;
  /** After each step of the optimizer. */
  onStepEnd?(event: TrainerEvent): void;
  /** Before a step's numbers are written; may add to them. */
  onLog?(event: TrainerEvent, logs: Logs): void;
  /** After an evaluation; the loss is that of a held-out token. */
  onEvaluate?(event: TrainerEvent, metrics: { readonly evalLoss: number }): void;
}
