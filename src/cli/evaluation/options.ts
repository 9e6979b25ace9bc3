import { z } from "zod";
import { InputError } from "../../errors.js";
import { choiceForms } from "../../evaluate/multiple-choice.js";
import { trainingOptions } from "../../train/arguments.js";
import { common, count, placing } from "../common-options.js";
import { dataOptions } from "../data-options.js";
import { flagOf, type Given, numbers, path, share, type Values } from "../options.js";

/** What `tptt eval` can measure. */
export const taskNames = [
  "perplexity",
  "exact-match",
  "multiple-choice",
  "recall",
  "needle",
  "memory",
] as const;
/** One of {@link taskNames}. */
export type TaskName = (typeof taskNames)[number];

/** The options of `tptt eval`. */
export const evaluationOptions = {
  model: common.model,
  task: z.enum(taskNames).default("perplexity").describe("what is measured"),
  data: common.dataset.optional().describe(common.dataset.description!),
  samples: count()
    .optional()
    .describe(
      "only so many examples: those that training with the seed holds out; recall: texts for each number of pairs (16), needle: for each length and depth (8)",
    ),
  seed: trainingOptions.seed,
  batch_size: common.batch_size,
  max_length: common.max_length,
  max_new_tokens: count().default(32).describe("exact-match: most tokens of an answer"),
  choice_form: z
    .enum(choiceForms)
    .default("letter")
    .describe(
      "multiple-choice: what is chosen between, as MMLU's prompt has it, or after the question alone",
    ),
  pairs: numbers(count(), "whole numbers of at least 1")
    .optional()
    .describe(
      "recall, memory: how many pairs a text tells (default: 4, 8, 16, .. as max_length allows; memory: 8)",
    ),
  lengths: numbers(count(), "whole numbers of at least 1")
    .optional()
    .describe("needle: tokens of the texts (default: max_length and its half, a quarter, an eighth)"),
  depths: numbers(share(), "numbers from 0 to 1")
    .default([0, 0.25, 0.5, 0.75, 1])
    .describe("needle: where it lies, 0 the start, 1 right before the question"),
  // No flag(): that is false where it is not given, and the tokenizer is to decide there.
  facts: z
    .boolean()
    .optional()
    .describe(
      "recall, needle, memory: texts in the words of the demo's model (default: where it knows no others)",
    ),
  mag_weights: numbers(share(), "numbers from 0 to 1")
    .default([0, 0.25, 0.5, 0.75, 1])
    .describe("memory: mu that it is measured at, beside the model's own"),
  ...dataOptions,
  mag_weight: common.mag_weight,
  ...placing("none"),
  plot: path().optional().describe("recall, needle, memory: the map as a picture, .svg or .png"),
  out: path().optional().describe("the result as a JSON file; in a folder it is eval-<task>.json"),
  json: common.json,
};

/** The options of `tptt eval`, checked. */
export type EvaluationValues = Values<typeof evaluationOptions>;

/** The options that only some tasks look at. */
const onlyOf: Partial<Record<keyof EvaluationValues, readonly TaskName[]>> = {
  max_new_tokens: ["exact-match"],
  choice_form: ["multiple-choice"],
  data: ["perplexity", "exact-match", "multiple-choice", "memory"],
  mask_prompt: ["perplexity", "memory"],
  pairs: ["recall", "memory"],
  lengths: ["needle"],
  depths: ["needle"],
  facts: ["recall", "needle", "memory"],
  mag_weights: ["memory"],
  plot: ["recall", "needle", "memory"],
};

/** @throws InputError naming an option that was given and says nothing to the task, or that the task misses. */
export function checkTaskOptions(given: Given<typeof evaluationOptions>, task: TaskName): void {
  for (const [name, tasks] of Object.entries(onlyOf)) {
    if (given[name as keyof typeof given] === undefined || tasks.includes(task)) continue;
    throw new InputError(flagOf(name), `is for --task ${tasks.join(", ")}, not for ${task}; leave it out`);
  }
  if (given.data === undefined && onlyOf.data!.includes(task)) {
    throw new InputError("--data", `is missing; give ${common.dataset.description}`);
  }
}
