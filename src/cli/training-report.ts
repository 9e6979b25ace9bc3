import type { LossSummary } from "../evaluate/metrics.js";
import { effectiveMagWeight } from "../tptt/effective-mag-weight.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import type { Logs } from "../train/callback.js";
import type { TrainingObserver } from "../train/trainer-options.js";
import type { Reporter } from "./reporter.js";

/** Tells what a training run does while it runs, and keeps what is told at its end. */
export class TrainingReport implements TrainingObserver {
  /** Whether a step was taken. */
  hasStarted = false;
  /** The last checkpoint that was written. */
  checkpoint: string | undefined;
  /** Held-out losses: the first is that before training, unless the run was resumed. */
  readonly evalLosses: { readonly step: number; readonly loss: number }[] = [];
  readonly onStart: () => Promise<void>;
  readonly #model: TpttModel;
  readonly #reporter: Reporter;

  /** @param onStart called when all is found sound, before anything is written. */
  constructor(model: TpttModel, reporter: Reporter, onStart: () => Promise<void>) {
    this.#model = model;
    this.#reporter = reporter;
    this.onStart = onStart;
  }

  onStep(step: number, total: number, logs: Logs): void {
    const { loss, learning_rate, grad_norm, tokens_per_second } = logs;
    const mu = effectiveMagWeight(this.#model);
    this.hasStarted = true;
    this.#reporter.progress(step, total, { loss, mu, tokens_per_second, learning_rate, grad_norm });
  }

  onSkipped(step: number, _total: number, reason: string): void {
    this.hasStarted = true;
    this.#reporter.event("skipped", { step, reason });
  }

  onEvaluated(step: number, { loss, perplexity, tokens, tokensPerSecond }: LossSummary): void {
    this.evalLosses.push({ step, loss });
    this.#reporter.event("evaluation", {
      step,
      eval_loss: loss,
      perplexity,
      tokens,
      tokens_per_second: tokensPerSecond,
    });
  }

  onSaved(step: number, folder: string): void {
    this.checkpoint = folder;
    this.#reporter.event("checkpoint", { step, folder });
  }
}
