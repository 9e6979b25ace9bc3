import { z } from "zod";
import { snakeFields } from "../io/field-names.js";
import type { JsonObject } from "../io/json-file.js";
import { parseWith } from "../io/validate.js";
import { schedulerTypes } from "./schedule.js";

const badLossActions = ["stop", "skip"] as const;

const count = z.int("expected a whole number").positive("expected at least 1");
/** A bound that no memory holds more than: numbers are checked before batches are made. */
const examples = count.max(4096, "expected at most 4096");
const steps = z.int("expected a whole number").nonnegative("expected at least 0");

/** The options of a training run, as they are on disk and on the command line, with their defaults and what they mean. */
export const trainingOptions = {
  max_steps: count.optional().describe("steps of the optimizer; without it, as many as the epochs have"),
  epochs: z.number().positive().default(1).describe("passes over the data"),
  batch_size: examples.default(4).describe("examples in a batch"),
  gradient_accumulation_steps: examples.default(1).describe("batches in a step"),
  max_length: count.default(256).describe("longest example, in tokens; what goes beyond is cut off"),
  learning_rate: z.number().positive().default(5e-4).describe("highest learning rate of AdamW"),
  lr_scheduler_type: z.enum(schedulerTypes).default("cosine").describe("how the learning rate falls"),
  warmup_steps: steps.default(0).describe("steps over which the learning rate rises from 0"),
  weight_decay: z.number().nonnegative().default(0).describe("weight decay of AdamW"),
  max_grad_norm: z
    .number()
    .nonnegative()
    .default(1)
    .describe("gradients are scaled down to this norm; 0: never"),
  logging_steps: count
    .default(10)
    .describe("steps between two lines of progress; metrics.jsonl has every step"),
  eval_steps: count
    .optional()
    .describe("steps between two evaluations; without it, before and after training"),
  save_steps: count.optional().describe("steps between two checkpoints; without it, only when interrupted"),
  save_total_limit: count
    .optional()
    .describe("checkpoints that are kept, the best one among them; without it, all"),
  report_to: z
    .enum(["none", "tensorboard"])
    .default("none")
    .describe("where metrics go beside metrics.jsonl: TensorBoard event files"),
  logging_dir: z
    .string()
    .min(1, "expected a path")
    .optional()
    .meta({ placeholder: "path" })
    .describe("folder of the event files; without it, runs in the output folder"),
  on_bad_loss: z
    .enum(badLossActions)
    .default("stop")
    .describe("when a loss is not a number or explodes: stop the run, or skip the step"),
  max_loss_jump: z
    .number()
    .nonnegative()
    .default(10)
    .describe(
      "a loss has exploded when it is so far above the mean of the last 20, in nats per token; 0: never",
    ),
  seed: z.int().nonnegative().default(0).describe("seed of first weights, data order and dropout"),
  gradient_checkpointing: z
    .boolean()
    .optional()
    .describe("less memory for one more forward pass; without it, over quantised weights only"),
};
const schema = z.object(trainingOptions);

/** The fields of a run as they are given. */
export type TrainingFields = z.input<typeof schema>;

/** How long, how fast and how often: the arguments of a {@link Trainer}. */
export interface TrainingArguments {
  /** Steps of the optimizer; undefined: as many as the epochs have. */
  readonly maxSteps: number | undefined;
  readonly epochs: number;
  /** Examples in a batch. */
  readonly batchSize: number;
  /** Batches in a step. */
  readonly gradientAccumulationSteps: number;
  /** Longest example, in tokens. */
  readonly maxLength: number;
  readonly learningRate: number;
  readonly lrSchedulerType: (typeof schedulerTypes)[number];
  readonly warmupSteps: number;
  readonly weightDecay: number;
  /** Gradients are scaled down to this norm; 0: never. */
  readonly maxGradNorm: number;
  /** Steps between two lines for a person; metrics.jsonl has every step. */
  readonly loggingSteps: number;
  /** Steps between two evaluations; undefined: only before and after training. */
  readonly evalSteps: number | undefined;
  /** Steps between two checkpoints; undefined: only when interrupted or asked. */
  readonly saveSteps: number | undefined;
  /** Checkpoints that are kept: the newest, and the best one; undefined: all. */
  readonly saveTotalLimit: number | undefined;
  /** Where metrics go beside metrics.jsonl. */
  readonly reportTo: "none" | "tensorboard";
  /** The folder of TensorBoard event files; undefined: `runs` in the output folder. */
  readonly loggingDir: string | undefined;
  /** What to do when a loss is not a number or explodes. */
  readonly onBadLoss: (typeof badLossActions)[number];
  /** How far a loss may lie above the mean of the last 20, in nats per token; 0: as far as it likes. */
  readonly maxLossJump: number;
  readonly seed: number;
  /** Less memory for one more forward pass; undefined: over quantised weights only. */
  readonly gradientCheckpointing: boolean | undefined;
}

/** Checks the fields of a run. @throws InputError naming the one that is wrong. */
export function trainingArguments(fields: TrainingFields, where = "training"): TrainingArguments {
  const f = parseWith(schema, fields, where);
  return {
    maxSteps: f.max_steps,
    epochs: f.epochs,
    batchSize: f.batch_size,
    gradientAccumulationSteps: f.gradient_accumulation_steps,
    maxLength: f.max_length,
    learningRate: f.learning_rate,
    lrSchedulerType: f.lr_scheduler_type,
    warmupSteps: f.warmup_steps,
    weightDecay: f.weight_decay,
    maxGradNorm: f.max_grad_norm,
    loggingSteps: f.logging_steps,
    evalSteps: f.eval_steps,
    saveSteps: f.save_steps,
    saveTotalLimit: f.save_total_limit,
    reportTo: f.report_to,
    loggingDir: f.logging_dir,
    onBadLoss: f.on_bad_loss,
    maxLossJump: f.max_loss_jump,
    seed: f.seed,
    gradientCheckpointing: f.gradient_checkpointing,
  };
}

/** Arguments as they are on disk, but for where metrics go. */
export function argumentFields({ reportTo, loggingDir, ...args }: TrainingArguments): JsonObject {
  return snakeFields(args, new Set());
}
