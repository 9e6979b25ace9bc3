import type { Dataset } from "../data/dataset.js";
import type { Example } from "../data/tokenize.js";
import type { LossSummary } from "../evaluate/metrics.js";
import type { FileLock } from "../io/file-lock.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import type { TrainingArguments } from "./arguments.js";
import type { Logs, TrainerCallback } from "./callback.js";

/** What a trainer is given. */
export interface TrainerOptions {
  readonly model: TpttModel;
  readonly args: TrainingArguments;
  /** Where metrics.jsonl and checkpoints go; nothing is written without it. */
  readonly outputDir?: string;
  /** The lock of `outputDir`, of one who holds it already and keeps it; without it, the trainer takes it while it runs. */
  readonly outputLock?: FileLock;
  readonly trainDataset: Dataset | readonly Example[];
  readonly evalDataset?: Dataset | readonly Example[];
  readonly callbacks?: readonly TrainerCallback[];
  /** A checkpoint's folder, to go on from it. */
  readonly resumeFrom?: string | undefined;
  /** Watches the run. */
  readonly observer?: TrainingObserver;
}

/** What a run tells while it runs. */
export interface TrainingObserver {
  /** When all that was given is found sound, before anything is written or trained. */
  onStart?(): Promise<void>;
  /** After a step, the last of `total` or an earlier one; with its numbers. */
  onStep?(step: number, total: number, logs: Logs): void;
  /** After an evaluation. */
  onEvaluated?(step: number, summary: LossSummary): void;
  /** After a step whose batch was passed over, and why. */
  onSkipped?(step: number, total: number, reason: string): void;
  /** When a checkpoint is written. */
  onSaved?(step: number, folder: string): void;
}

/** How a run ended. */
export interface TrainingResult {
  readonly steps: number;
  /** Tokens predicted, over all of the run. */
  readonly tokens: number;
  /** Steps over all of the run whose batches were passed over, for their losses were bad. */
  readonly skipped: number;
  /** Of this session, evaluations and checkpoints left out; 0 when it took no step. */
  readonly tokensPerSecond: number;
  /** True when it ended before its last step; its checkpoint tells where to go on. */
  readonly interrupted: boolean;
  /** The folder of the last checkpoint of this session. */
  readonly checkpoint: string | undefined;
}
