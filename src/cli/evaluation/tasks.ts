import { type Dataset, heldOutOrder, splitDataset } from "../../data/dataset.js";
import { knowsFactsAlone } from "../../data/facts.js";
import { fingerprint } from "../../data/fingerprint.js";
import type { DataRecord } from "../../data/record.js";
import type { Records } from "../../data/records.js";
import { upTo } from "../../data/sampler.js";
import { InputError } from "../../errors.js";
import { answeredPrompt, evaluateExactMatch } from "../../evaluate/exact-match.js";
import { evaluateLoss } from "../../evaluate/loss.js";
import { evaluateMemory } from "../../evaluate/memory.js";
import { evaluateMultipleChoice } from "../../evaluate/multiple-choice.js";
import {
  associativeTexts,
  evaluateRecallMap,
  needleTexts,
  type RecallText,
} from "../../evaluate/recall-map.js";
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
  recall,
  needle,
  memory,
};

async function perplexity(context: TaskContext): Promise<TaskOutcome> {
  const { model, values, reporter } = context;
  const maxLength = lengthOf(context);
  const examples = await chosenExamples(context, maxLength);
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
    data: dataOf(context, examples),
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

async function recall(context: TaskContext): Promise<TaskOutcome> {
  const { model, values, reporter } = context;
  requireCausal(model);
  const texts = associative(context, values.samples ?? 16);
  const result = await evaluateRecallMap(model, texts, {
    batchSize: values.batch_size,
    row: "pairs",
    column: "distance",
    onBatch: (done, total) => reporter.progress(done, total, {}),
  });
  return { result, data: drawnData(usesFacts(context) ? "facts" : "mqar", texts) };
}

/** Numbers of pairs that recall is measured with, as far as they fit. */
const pairsTried = [4, 8, 16, 32, 64, 128, 256];

function associative(context: TaskContext, samples: number, byDefault = pairsTried): RecallText[] {
  const { model, values } = context;
  const length = lengthOf(context);
  // Four tokens for a pair: told once, asked for once. More facts than sixteen would want more names than there are.
  const fitting = byDefault.filter((pairs) => pairs <= (usesFacts(context) ? 16 : (length - 2) / 4));
  return associativeTexts(model.requireTokenizer(), {
    pairs: values.pairs ?? fitting,
    length,
    samples,
    seed: values.seed,
    facts: usesFacts(context),
  });
}

async function needle(context: TaskContext): Promise<TaskOutcome> {
  const { model, values, reporter } = context;
  requireCausal(model);
  const longest = lengthOf(context);
  const byDefault = [8, 4, 2, 1].map((part) => Math.floor(longest / part)).filter((length) => length >= 64);
  const texts = needleTexts(model.requireTokenizer(), {
    lengths: values.lengths ?? (byDefault.length > 0 ? byDefault : [longest]),
    depths: values.depths,
    samples: values.samples ?? 8,
    seed: values.seed,
    facts: usesFacts(context),
  });
  const result = await evaluateRecallMap(model, texts, {
    batchSize: values.batch_size,
    row: "depth",
    column: "length",
    onBatch: (done, total) => reporter.progress(done, total, {}),
  });
  return { result, data: drawnData(usesFacts(context) ? "facts" : "passkey", texts) };
}

/** Texts that recall is measured on at each mu. */
const memoryRecallTexts = 16;

async function memory(context: TaskContext): Promise<TaskOutcome> {
  const { model, values, reporter } = context;
  const maxLength = lengthOf(context);
  const examples = await chosenExamples(context, maxLength);
  const result = await evaluateMemory(model, examples, {
    batchSize: values.batch_size,
    maxLength,
    magWeights: values.mag_weights,
    recallTexts: associative(context, memoryRecallTexts, [8]),
    onBatch: (done, total) => reporter.progress(done, total, {}),
  });
  return { result, data: dataOf(context, examples) };
}

/** Whether texts are in the words of the demo's model. */
const usesFacts = ({ model, values }: TaskContext): boolean =>
  values.facts ?? knowsFactsAlone(model.requireTokenizer());

/** The examples of the data that are measured. */
async function chosenExamples(context: TaskContext, maxLength: number): Promise<Dataset> {
  const { model, values, reporter } = context;
  const all = await examplesOf(recordsOf(context), model.requireTokenizer(), values, maxLength, reporter);
  const { samples = all.length, seed } = values;
  return samples < all.length ? splitDataset(all, samples, seed).held : all;
}

const dataOf = (context: TaskContext, { fingerprint, length }: Dataset): Evaluation["data"] => ({
  ...namesOf(context),
  fingerprint,
  examples: length,
});

/** What a result says of texts that were drawn. */
const drawnData = (name: string, texts: readonly RecallText[]): Evaluation["data"] => ({
  name,
  fingerprint: fingerprint(texts.map(({ inputIds }) => ({ inputIds, labels: [] }))),
  examples: texts.length,
});

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
  const { fingerprint } = records;
  return { read, data: { ...namesOf(context), fingerprint, examples: read.length } };
}

/** Data are there wherever the options were checked. */
function recordsOf({ records }: TaskContext): Records {
  if (records) return records;
  throw new Error("tptt eval: the task has no data");
}

/** The longest example, in tokens. */
const lengthOf = ({ model, given, values }: TaskContext): number =>
  maxLengthFor(model.maxLength, given.max_length, values.max_length);

/** What the data are called: as they were given, and by the hub where they are of one data set there. */
function namesOf(context: TaskContext): Pick<Evaluation["data"], "name" | "hub_id" | "split"> {
  const { data = [], split } = context.values;
  const [hubId, ...others] = new Set(recordsOf(context).files.map((file) => file.hubId));
  return {
    name: data.join(", "),
    ...(hubId === undefined || others.length > 0
      ? {}
      : { hub_id: hubId, ...(split === undefined ? {} : { split }) }),
  };
}
