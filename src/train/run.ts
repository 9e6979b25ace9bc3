import { toDataset } from "../data/dataset.js";
import { InputError, writeError } from "../errors.js";
import { evaluateLoss } from "../evaluate/loss.js";
import { requireCausal } from "../evaluate/require-causal.js";
import type { FileLock } from "../io/file-lock.js";
import type { Metrics } from "../io/metrics.js";
import { effectiveMagWeight } from "../tptt/effective-mag-weight.js";
import { describeData, writeTrainResults } from "../tptt/files/run-record.js";
import { argumentFields } from "./arguments.js";
import type { Logs, TrainerControl, TrainerEvent, TrainerState } from "./callback.js";
import {
  type RunIdentity,
  type RunState,
  readCheckpoint,
  rotateCheckpoints,
  writeCheckpoint,
} from "./checkpoint-folder.js";
import { Learner } from "./learner.js";
import { LossGuard } from "./loss-guard.js";
import type { MetricsSink } from "./metrics-sink.js";
import { openMetricsSinks } from "./open-metrics-sinks.js";
import { lockRun } from "./run-lock.js";
import { getScheduler } from "./schedule.js";
import type { TrainerOptions, TrainingResult } from "./trainer-options.js";
import { type StepBatches, TrainingBatches } from "./training-batches.js";

/** What a {@link Run} is put together from. */
interface RunParts {
  readonly options: TrainerOptions;
  readonly identity: RunIdentity;
  readonly learner: Learner;
  readonly batches: TrainingBatches;
  readonly maxSteps: number;
  /** Where metrics go; nowhere when nothing is written. */
  readonly sinks: readonly MetricsSink[];
  /** The lock of the output folder, if it is the run's own. */
  readonly lock: FileLock | undefined;
  readonly resumed: RunState | undefined;
}

/** So many steps may be skipped in a row: beyond, no step would be better. */
const maxSkippedInRow = 10;

/** One run of a trainer, from its first step (or a checkpoint) to its last. */
export class Run {
  readonly #options: TrainerOptions;
  readonly #identity: RunIdentity;
  readonly #learner: Learner;
  readonly #batches: TrainingBatches;
  readonly #sinks: readonly MetricsSink[];
  readonly #lock: FileLock | undefined;
  readonly #learningRate: (step: number) => number;
  readonly #state: { -readonly [Key in keyof TrainerState]: TrainerState[Key] };
  readonly #control: TrainerControl = { shouldSave: false, shouldEvaluate: false, shouldStop: false };
  /** Tokens predicted over all of the run; in this session; and the seconds that these took. */
  #tokens: number;
  readonly #guard: LossGuard;
  /** Steps that were skipped, over all of the run; and the last ones in a row. */
  #skipped: number;
  #skippedInRow = 0;
  readonly #session = { tokens: 0, seconds: 0 };
  #checkpoint: { readonly step: number; readonly folder: string } | undefined;

  private constructor({ options, identity, learner, batches, maxSteps, lock, sinks, resumed }: RunParts) {
    this.#options = options;
    this.#identity = identity;
    this.#learner = learner;
    this.#batches = batches;
    this.#sinks = sinks;
    this.#lock = lock;
    this.#learningRate = getScheduler(options.args.lrSchedulerType, { ...options.args, maxSteps });
    this.#state = { globalStep: resumed?.globalStep ?? 0, maxSteps, best: resumed?.best };
    this.#tokens = resumed?.tokens ?? 0;
    this.#guard = new LossGuard(options.args.maxLossJump, resumed?.recentLosses);
    this.#skipped = resumed?.skipped ?? 0;
  }

  /**
   * @throws InputError when there is nothing to train (on), tokens see what they predict, the checkpoint to resume from is
   * torn or another run's, or another run is writing in the folder.
   */
  static async start(options: TrainerOptions): Promise<Run> {
    const { model, args, outputDir, outputLock, resumeFrom } = options;
    const dataset = toDataset(options.trainDataset);
    requireCausal(model);
    if (dataset.length === 0) throw new InputError("dataset", "is empty, expected at least one example");
    const { seed, batchSize } = args;
    const identity = { seed, batchSize, dataset: dataset.fingerprint };
    const before = resumeFrom === undefined ? undefined : await readCheckpoint(resumeFrom, model, identity);
    const resumed = before?.run;
    const batches = new TrainingBatches(dataset, args, model.config.paddingSide, resumed?.data);
    const maxSteps = args.maxSteps ?? Math.ceil(args.epochs * batches.stepsPerEpoch);
    const learner = await Learner.create(model, args, before?.optimizer);
    let lock: FileLock | undefined;
    try {
      await options.observer?.onStart?.();
      lock = outputDir === undefined || outputLock ? undefined : (await lockRun(outputDir)).lock;
      const sinks =
        outputDir === undefined ? [] : await openMetricsSinks(outputDir, args, resumed?.globalStep);
      return new Run({ options, identity, learner, batches, maxSteps, lock, sinks, resumed });
    } catch (error) {
      lock?.release();
      await learner.release();
      throw error;
    }
  }

  /** Trains to the last step, or until it is told to stop. */
  async toEnd(stopped: () => boolean): Promise<TrainingResult> {
    const { model, args, callbacks = [] } = this.#options;
    const [state, control] = [this.#state, this.#control];
    const event: TrainerEvent = { model, state, control };
    const due = (every: number | undefined) => every !== undefined && state.globalStep % every === 0;
    for (const callback of callbacks) callback.onTrainBegin?.(event);
    if (this.#options.resumeFrom === undefined) await this.#evaluate(event);
    control.shouldSave = false; // What is not trained yet needs no checkpoint.
    while (state.globalStep < state.maxSteps && !control.shouldStop && !stopped()) {
      await this.#step(event);
      for (const callback of callbacks) callback.onStepEnd?.(event);
      const last = state.globalStep === state.maxSteps;
      if (due(args.evalSteps) || control.shouldEvaluate || last) await this.#evaluate(event);
      if (due(args.saveSteps) || control.shouldSave) await this.#save();
      control.shouldEvaluate = false;
      control.shouldSave = false;
    }
    const interrupted = state.globalStep < state.maxSteps;
    if (!interrupted) await this.#recordResults();
    if (interrupted && this.#checkpoint?.step !== state.globalStep) await this.#save();
    const { tokens, seconds } = this.#session;
    return {
      steps: state.globalStep,
      tokens: this.#tokens,
      skipped: this.#skipped,
      tokensPerSecond: seconds > 0 ? tokens / seconds : 0,
      interrupted,
      checkpoint: this.#checkpoint?.folder,
    };
  }

  async close(): Promise<void> {
    for (const sink of this.#sinks) await sink.close();
    this.#lock?.release();
    await this.#learner.release();
  }

  /** One step of the optimizer. */
  async #step(event: TrainerEvent): Promise<void> {
    const { model, callbacks = [], observer } = this.#options;
    const start = performance.now();
    const { globalStep } = this.#state;
    const learningRate = this.#learningRate(globalStep);
    const next = await this.#batches.next();
    const step = await this.#learner.step(next.batches, globalStep, learningRate);
    const problem = this.#guard.problem(step);
    if (problem !== undefined) return this.#skip(problem, next, learningRate);
    const { loss, targets, gradNorm } = step;
    step.apply();
    this.#guard.take(loss);
    this.#skippedInRow = 0;
    const seconds = (performance.now() - start) / 1000;
    this.#tokens += targets;
    this.#session.tokens += targets;
    this.#session.seconds += seconds;
    this.#state.globalStep++;
    const mu = effectiveMagWeight(model);
    const logs: Logs = {
      loss,
      learning_rate: learningRate,
      grad_norm: gradNorm,
      ...(mu === undefined ? {} : { mag_weight: mu }),
      tokens_per_second: targets / seconds,
    };
    for (const callback of callbacks) callback.onLog?.(event, logs);
    await this.#record({ step: this.#state.globalStep, ...logs });
    observer?.onStep?.(this.#state.globalStep, this.#state.maxSteps, logs);
  }

  /** Passes a step over, or ends the run, whose loss is bad. */
  async #skip(problem: string, batches: StepBatches, learningRate: number): Promise<void> {
    const { args, observer } = this.#options;
    const step = this.#state.globalStep + 1;
    const loss = `the loss ${problem}; the batch is ${await this.#batches.describe(batches)}`;
    if (args.onBadLoss === "stop") {
      throw new InputError(
        `step ${step}`,
        `${loss}; lower learning_rate, leave out what is wrong with these data, or pass such steps over (on_bad_loss: skip)`,
      );
    }
    if (++this.#skippedInRow > maxSkippedInRow) {
      throw new InputError(
        `step ${step}`,
        `${loss}; so were those of the ${maxSkippedInRow} steps before, which were skipped; lower learning_rate`,
      );
    }
    this.#skipped++;
    this.#state.globalStep = step;
    await this.#record({ step, learning_rate: learningRate, skipped: true });
    observer?.onSkipped?.(step, this.#state.maxSteps, loss);
  }

  async #evaluate(event: TrainerEvent): Promise<void> {
    const { model, args, evalDataset = [], callbacks = [], observer } = this.#options;
    if (evalDataset.length === 0) return;
    const step = this.#state.globalStep;
    const summary = await evaluateLoss(model, evalDataset, args);
    await this.#record({ step, eval_loss: summary.loss });
    if (summary.loss < (this.#state.best?.loss ?? Number.POSITIVE_INFINITY)) {
      this.#state.best = { loss: summary.loss, step };
    }
    for (const callback of callbacks) callback.onEvaluate?.(event, { evalLoss: summary.loss });
    observer?.onEvaluated?.(step, summary);
  }

  async #record(metrics: Metrics): Promise<void> {
    try {
      for (const sink of this.#sinks) await sink.append(metrics);
    } catch (error) {
      throw writeError(this.#options.outputDir ?? "metrics", error);
    }
  }

  /** Writes what the model card tells of the run. */
  async #recordResults(): Promise<void> {
    const { args, outputDir, trainDataset, evalDataset = [] } = this.#options;
    if (outputDir === undefined) return;
    await writeTrainResults(outputDir, {
      steps: this.#state.globalStep,
      tokens: this.#tokens,
      arguments: argumentFields(args),
      data: describeData(toDataset(trainDataset)),
      ...(evalDataset.length > 0 ? { eval_data: describeData(toDataset(evalDataset)) } : {}),
    });
  }

  async #save(): Promise<void> {
    const { model, args, outputDir, observer } = this.#options;
    if (outputDir === undefined) return;
    const { globalStep, best } = this.#state;
    const run = {
      globalStep,
      best,
      data: this.#batches.position,
      tokens: this.#tokens,
      skipped: this.#skipped,
      recentLosses: this.#guard.recent,
      identity: this.#identity,
    };
    const folder = await writeCheckpoint(outputDir, model, { run, optimizer: this.#learner.optimizerState });
    this.#checkpoint = { step: globalStep, folder };
    observer?.onSaved?.(globalStep, folder);
    if (args.saveTotalLimit !== undefined) {
      await rotateCheckpoints(outputDir, args.saveTotalLimit, { newest: globalStep, best: best?.step });
    }
  }
}
