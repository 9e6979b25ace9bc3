import { z } from "zod";
import { parseWith } from "../io/validate.js";
import { schedulerTypes } from "./schedule.js";

const count = z.int("expected a whole number").positive("expected at least 1");
const steps = z.int("expected a whole number").nonnegative("expected at least 0");

/** Fields of a training run; the defaults are those of the command. Names in snake_case are the options' names. */
const schema = z.object({
  max_steps: count.optional(),
  epochs: z.number().positive().default(1),
  batch_size: count.default(4),
  gradient_accumulation_steps: count.default(1),
  max_length: count.default(256),
  learning_rate: z.number().positive().default(5e-4),
  lr_scheduler_type: z.enum(schedulerTypes).default("cosine"),
  warmup_steps: steps.default(0),
  weight_decay: z.number().nonnegative().default(0),
  max_grad_norm: z.number().nonnegative().default(1),
  logging_steps: count.default(10),
  eval_steps: count.optional(),
  save_steps: count.optional(),
  seed: z.int().nonnegative().default(0),
  gradient_checkpointing: z.boolean().default(false),
});

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
  /** Steps between two evaluations; undefined: only at the end. */
  readonly evalSteps: number | undefined;
  /** Steps between two checkpoints; undefined: only when interrupted or asked. */
  readonly saveSteps: number | undefined;
  readonly seed: number;
  /** Less memory for one more forward pass. */
  readonly gradientCheckpointing: boolean;
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
    seed: f.seed,
    gradientCheckpointing: f.gradient_checkpointing,
  };
}
