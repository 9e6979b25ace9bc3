import { heldOutOrder, splitDataset } from "../../data/dataset.js";
import type { DataRecord } from "../../data/record.js";
import type { Records } from "../../data/records.js";
import { upTo } from "../../data/sampler.js";
import { InputError } from "../../errors.js";
import { answeredPrompt, evaluateExactMatch } from "../../evaluate/exact-match.js";
import { evaluateLoss } from "../../evaluate/loss.js";
import { evaluateMultipleChoice } from "../../evaluate/multiple-choice.js";
import { requireCausal } from "../../evaluate/require-causal.js";
import { metric, type TaskResult } from "../../evaluate/result.js";
import type { Evaluation } from "../../evaluate/result-file.js";
import type { TpttModel } from "../../tptt/tptt-model.js";
import { maxLengthFor } from "../common-options.js";
import { examplesOf, useChatTemplate } from "../data-options.js";
import type { Given } from "../options.js";
import type { Reporter } from "../reporter.js";
import type { EvaluationValues, evaluationOptions, TaskName } from "./options.js";

/** What a task has to work with. */
export interface TaskContext {
  readonly model: TpttModel;
  /** The records of `--data`. */
  readonly records?: Records;
  readonly values: EvaluationValues;
  readonly given: Given<typeof evaluationOptions>;
  readonly reporter: Reporter;
}

/** What a task measured, and on what. */
export interface TaskOutcome {
  readonly result: TaskResult;
  readonly data: Evaluation["data"];
  readonly tokensPerSecond?: number;
}

/** The tasks of `tptt eval`. */
export const tasks: Readonly<Record<TaskName, (context: TaskContext) => Promise<TaskOutcome>>> = {
  perplexity,
  "exact-match": exactMatch,
  "multiple-choice": multipleChoice,
};

async function perplexity(context: TaskContext): Promise<TaskOutcome> {
  const { model, values, reporter } = context;
  const records = recordsOf(context);
  const maxLength = lengthOf(context);
  const all = await examplesOf(records, model.requireTokenizer(), values, maxLength, reporter);
  const { samples = all.length, seed } = values;
  const examples = samples < all.length ? splitDataset(all, samples, seed).held : all;
  const { loss, lossInterval, perplexity, perplexityInterval, tokens, tokensPerSecond } = await evaluateLoss(
    model,
    examples,
    {
      batchSize: values.batch_size,
      maxLength,
      onBatch: (done, total, { loss, tokensPerSecond }) =>
        reporter.progress(done, total, { loss, tokens_per_second: tokensPerSecond }),
    },
  );
  const of = { method: "ratio", count: tokens } as const;
  return {
    result: {
      metrics: [
        metric("loss", { value: loss, interval: lossInterval, ...of }),
        metric("perplexity", { value: perplexity, interval: perplexityInterval, ...of }),
      ],
      notes: { tokens },
    },
    data: { name: nameOf(values), fingerprint: examples.fingerprint, examples: examples.length },
    tokensPerSecond,
  };
}

async function exactMatch(context: TaskContext): Promise<TaskOutcome> {
  const { model, values, reporter } = context;
  requireCausal(model);
  const tokenizer = model.requireTokenizer();
  await useChatTemplate(tokenizer, values);
  const { read, data } = await chosenRecords(context);
  const prompts = read.map((record) => answeredPrompt(record, tokenizer, data.name));
  const { batch_size: batchSize, max_new_tokens: maxNewTokens } = values;
  const onBatch = (done: number, total: number) => reporter.progress(done, total, {});
  return { result: await evaluateExactMatch(model, prompts, { batchSize, maxNewTokens, onBatch }), data };
}

async function multipleChoice(context: TaskContext): Promise<TaskOutcome> {
  const { model, values, reporter } = context;
  requireCausal(model);
  const { read, data } = await chosenRecords(context);
  const questions = read.filter((record) => "choices" in record);
  if (questions.length < read.length) {
    throw new InputError(
      data.name,
      `has ${read.length - questions.length} records without choices; expected "question", "choices" and "answer" in each`,
    );
  }
  const result = await evaluateMultipleChoice(model, questions, model.requireTokenizer(), {
    batchSize: values.batch_size,
    maxLength: maxLengthFor(model.maxLength, context.given.max_length, model.maxLength),
    form: values.choice_form,
    onBatch: (done, total) => reporter.progress(done, total, {}),
  });
  return { result, data };
}

/** The records that are measured, and what the result says of them. */
async function chosenRecords(
  context: TaskContext,
): Promise<{ read: DataRecord[]; data: Evaluation["data"] }> {
  const { values } = context;
  const records = recordsOf(context);
  const count = Math.ceil(records.length * values.dataset_percentage);
  const { samples = count, seed } = values;
  const chosen = samples < count ? heldOutOrder(count, seed).slice(0, samples).sort() : upTo(count);
  const read: DataRecord[] = [];
  for (const index of chosen) read.push(await records.read(index));
  return { read, data: { name: nameOf(values), fingerprint: records.fingerprint, examples: read.length } };
}

/** Data are there wherever the options were checked. */
function recordsOf({ records }: TaskContext): Records {
  if (records) return records;
  throw new Error("tptt eval: the task has no data");
}

/** The longest example, in tokens. */
const lengthOf = ({ model, given, values }: TaskContext): number =>
  maxLengthFor(model.maxLength, given.max_length, values.max_length);

const nameOf = ({ data = [] }: EvaluationValues): string => data.join(", ");
