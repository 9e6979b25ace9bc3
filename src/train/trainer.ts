import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { collate, lengthBuckets } from "../data/collate.js";
import { LengthGroupedSampler } from "../data/sampler.js";
import type { Example } from "../data/tokenize.js";
import type { Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import { evaluateLoss } from "../evaluate/loss.js";
import type { LossSummary } from "../evaluate/metrics.js";
import { Random } from "../random.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import type { TrainingArguments } from "./arguments.js";
import type { Logs, TrainerCallback, TrainerControl, TrainerEvent, TrainerState } from "./callback.js";
import { readCheckpoint, writeCheckpoint } from "./checkpoint-folder.js";
import { MetricsFile } from "./metrics-file.js";
import { AdamW } from "./optimizer.js";
import { ParameterVector } from "./parameter-vector.js";
import { getScheduler } from "./schedule.js";

/** What a {@link Trainer} is given. */
export interface TrainerOptions {
  readonly model: TpttModel;
  readonly args: TrainingArguments;
  /** Where metrics.jsonl and checkpoints go; nothing is written without it. */
  readonly outputDir?: string;
  readonly trainDataset: readonly Example[];
  readonly evalDataset?: readonly Example[];
  readonly callbacks?: readonly TrainerCallback[];
  /** A checkpoint's folder, to go on from it. */
  readonly resumeFrom?: string | undefined;
  /** Watches the run. */
  readonly observer?: TrainingObserver;
}

/** What a run tells while it runs. */
export interface TrainingObserver {
  onStep?(step: number, total: number, logs: Logs): void;
  onEvaluated?(step: number, summary: LossSummary): void;
  onSaved?(step: number, folder: string): void;
}

/** How a run ended. */
export interface TrainingResult {
  readonly steps: number;
  /** Tokens predicted, over all of the run. */
  readonly tokens: number;
  /** Of this session, evaluations and checkpoints left out. */
  readonly tokensPerSecond: number;
  /** True when {@link Trainer.stop} ended it before its last step; its checkpoint tells where to go on. */
  readonly interrupted: boolean;
  readonly checkpoint: string | undefined;
}

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
   * @throws InputError when the checkpoint to resume from does not fit the data or the seed. Error when the loss is not a number.
   */
  async train(): Promise<TrainingResult> {
    const { model, args, outputDir, trainDataset, callbacks = [], observer = {}, resumeFrom } = this.#options;
    const vector = new ParameterVector(model.trainable);
    if (vector.size === 0) throw new InputError("lora_r", "is not set: there is nothing to train");
    const optimizer = await AdamW.create(vector.decayMask(), args);
    const resumed = resumeFrom === undefined ? undefined : await readCheckpoint(resumeFrom, model);
    if (resumed) {
      if (resumed.run.seed !== args.seed) {
        throw new InputError(
          "seed",
          `is ${args.seed}, the run was started with ${resumed.run.seed}; resume with that`,
        );
      }
      optimizer.state = resumed.optimizer;
    }
    const sampler = new LengthGroupedSampler({
      lengths: trainDataset.map(({ inputIds }) => inputIds.length),
      batchSize: args.batchSize,
      seed: args.seed,
      ...(resumed ? { position: resumed.run.data } : {}),
    });
    const stepsPerEpoch = Math.max(1, Math.floor(sampler.batchesPerEpoch / args.gradientAccumulationSteps));
    const maxSteps = args.maxSteps ?? Math.ceil(args.epochs * stepsPerEpoch);
    const learningRate = getScheduler(args.lrSchedulerType, { ...args, maxSteps });
    const state: TrainerState = {
      globalStep: resumed?.run.globalStep ?? 0,
      maxSteps,
      best: resumed?.run.best,
    };
    const control: TrainerControl = { shouldSave: false, shouldEvaluate: false, shouldStop: false };
    const event: TrainerEvent = { model, state, control };
    if (outputDir !== undefined) await mkdir(outputDir, { recursive: true });
    const metricsPath = outputDir === undefined ? undefined : join(outputDir, "metrics.jsonl");
    const metrics =
      metricsPath === undefined
        ? undefined
        : await (resumed
            ? MetricsFile.resume(metricsPath, state.globalStep)
            : MetricsFile.create(metricsPath));

    let weights = vector.pack(model.params);
    model.params = vector.unpack(weights);
    let tokens = resumed?.run.tokens ?? 0;
    let seconds = 0;
    let sessionTokens = 0;
    let savedAt = -1;
    let checkpoint: string | undefined;

    const save = async () => {
      if (outputDir === undefined) return;
      const run = {
        globalStep: state.globalStep,
        maxSteps,
        seed: args.seed,
        best: state.best,
        data: sampler.position,
        tokens,
      };
      checkpoint = await writeCheckpoint(outputDir, model, run, optimizer.state);
      savedAt = state.globalStep;
      observer.onSaved?.(state.globalStep, checkpoint);
    };
    const evaluate = async () => {
      const { evalDataset } = this.#options;
      if (!evalDataset?.length) return;
      const summary = await evaluateLoss(model, evalDataset, args);
      await metrics?.append({ step: state.globalStep, eval_loss: summary.loss });
      for (const callback of callbacks) callback.onEvaluate?.(event, { evalLoss: summary.loss });
      observer.onEvaluated?.(state.globalStep, summary);
    };

    try {
      for (const callback of callbacks) callback.onTrainBegin?.(event);
      if (!resumed) await evaluate();
      control.shouldSave = false; // What is not trained yet needs no checkpoint.
      while (state.globalStep < maxSteps && !this.#stopping && !control.shouldStop) {
        const started = performance.now();
        const pass = await this.#accumulate(sampler, vector, optimizer, state.globalStep);
        const lr = learningRate(state.globalStep);
        const step = await optimizer.step(weights, pass.gradient, 1 / pass.targets, lr);
        const loss = pass.lossSum / pass.targets;
        if (!Number.isFinite(loss) || !Number.isFinite(step.gradNorm)) {
          throw new Error(
            `step ${state.globalStep + 1}: the loss is ${loss}, the gradient's norm ${step.gradNorm}; lower learning_rate, or resume from the last checkpoint`,
          );
        }
        weights = step.weights;
        model.params = vector.unpack(weights);
        const took = (performance.now() - started) / 1000;
        seconds += took;
        tokens += pass.targets;
        sessionTokens += pass.targets;
        const logs: Logs = {
          loss,
          learning_rate: lr,
          grad_norm: step.gradNorm,
          mag_weight: model.magWeight,
          tokens_per_second: pass.targets / took,
        };
        state.globalStep++;
        for (const callback of callbacks) callback.onLog?.(event, logs);
        await metrics?.append({ step: state.globalStep, ...logs });
        observer.onStep?.(state.globalStep, maxSteps, logs);
        for (const callback of callbacks) callback.onStepEnd?.(event);
        const due = (every: number | undefined) => every !== undefined && state.globalStep % every === 0;
        if (due(args.evalSteps) || control.shouldEvaluate || state.globalStep === maxSteps) await evaluate();
        if (due(args.saveSteps) || control.shouldSave) await save();
        control.shouldSave = false;
        control.shouldEvaluate = false;
      }
      const interrupted = state.globalStep < maxSteps;
      if (interrupted && savedAt !== state.globalStep) await save();
      return {
        steps: state.globalStep,
        tokens,
        tokensPerSecond: sessionTokens / seconds,
        interrupted,
        checkpoint,
      };
    } finally {
      await metrics?.close();
      await optimizer.release();
    }
  }

  /** The summed gradient of one step's batches. */
  async #accumulate(sampler: LengthGroupedSampler, vector: ParameterVector, optimizer: AdamW, step: number) {
    const { model, args, trainDataset } = this.#options;
    const buckets = lengthBuckets(args.maxLength);
    let gradient: Tensor | undefined;
    let [lossSum, targets] = [0, 0];
    for (let i = 0; i < args.gradientAccumulationSteps; i++) {
      const examples = sampler.next().map((index) => trainDataset[index]!);
      const batch = collate(examples, {
        batchSize: args.batchSize,
        buckets,
        paddingSide: model.config.paddingSide,
      });
      const seed = Random.for(args.seed, "dropout", step, i).uint32();
      const pass = await model.lossAndGrad(batch, { seed, checkpointing: args.gradientCheckpointing });
      gradient = await optimizer.accumulate(gradient, vector.pack(pass.grads));
      lossSum += pass.lossSum;
      targets += pass.targets;
    }
    return { gradient: gradient!, lossSum, targets };
  }
}
