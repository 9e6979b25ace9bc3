import { z } from "zod";
import { type Dataset, subset, TokenizedDataset } from "../data/dataset.js";
import { promptStyles, recordFields } from "../data/record.js";
import { Records } from "../data/records.js";
import { upTo } from "../data/sampler.js";
import { readTextFile } from "../io/json-file.js";
import type { Tokenizer } from "../io/tokenizer.js";
import { observeHub } from "./hub-names.js";
import { flag, path, share, type Values } from "./options.js";
import type { Reporter } from "./reporter.js";

/** `instruction=question,output=answer`; a config file may have a mapping. */
const columns = () =>
  z.preprocess(
    (value) =>
      typeof value === "string"
        ? Object.fromEntries(value.split(",").map((pair) => pair.split("=").map((name) => name.trim())))
        : value,
    z.partialRecord(
      z.enum(recordFields, `expected field=column, where a field is ${recordFields.join(", ")}`),
      z.string("expected field=column").min(1, "expected field=column"),
    ),
  );

/** How data are read, by every command that reads some. */
export const dataOptions = {
  prompt_style: z
    .enum(promptStyles)
    .default("auto")
    .describe("how a row becomes a text; auto: as its columns say"),
  columns: columns().optional().describe("columns of other names: instruction=question,output=answer"),
  chat_template: path().optional().describe("a Jinja template for conversations, in place of the model's"),
  mask_prompt: flag().describe("the loss is that of the answers alone; that of conversations always is"),
  dataset_percentage: share().default(1).describe("the part of the examples that is used, from the first on"),
  split: z.string().optional().describe("the split of a data set of the hub; without it, train"),
  skip_malformed: flag().describe("leaves out rows that cannot be read, and counts them"),
};

type DataValues = Values<typeof dataOptions>;

/** How many rows that are left out are told one by one. */
const malformedTold = 5;

/** Milliseconds between two remarks on how far reading is. */
const remarkInterval = 5_000;

/** Remarks on long work, now and then. */
export function remarksOf(reporter: Reporter): (text: string) => void {
  let last = Date.now();
  return (text) => {
    if (Date.now() - last < remarkInterval) return;
    last = Date.now();
    reporter.note(text);
  };
}

/** Finds and checks the records of a data set. */
export async function openRecords(
  names: readonly string[],
  { prompt_style, columns, split, skip_malformed }: DataValues,
  reporter: Reporter,
): Promise<Records> {
  let malformed = 0;
  const remark = remarksOf(reporter);
  const records = await Records.open(names, {
    promptStyle: prompt_style,
    ...(columns ? { columns } : {}),
    ...(split === undefined ? {} : { split }),
    hubObserver: observeHub(reporter),
    skipMalformed: skip_malformed,
    onMalformed: (problem) => {
      if (++malformed <= malformedTold) reporter.note(`left out: ${problem}`);
    },
    onProgress: (found) => remark(`reading the data: ${found} records`),
  });
  if (malformed > malformedTold) reporter.note(`left out: ${malformed} malformed rows in all`);
  return records;
}

/** What a command opens beside its records, which are closed when that fails. */
export async function openBeside<T>(records: Records, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    await records.close();
    throw error;
  }
}

/** Puts the template that is given in the place of the model's own. */
export async function useChatTemplate(
  tokenizer: Tokenizer,
  { chat_template }: Pick<DataValues, "chat_template">,
): Promise<void> {
  if (chat_template !== undefined) {
    tokenizer.useChatTemplate(await readTextFile(chat_template), chat_template);
  }
}

/** The records as examples, as many of them as are wanted. */
export async function examplesOf(
  records: Records,
  tokenizer: Tokenizer,
  values: DataValues,
  maxLength: number,
  reporter: Reporter,
): Promise<Dataset> {
  await useChatTemplate(tokenizer, values);
  const { mask_prompt: maskPrompt, dataset_percentage } = values;
  const remark = remarksOf(reporter);
  const dataset = await TokenizedDataset.create(
    records,
    tokenizer,
    { maxLength, maskPrompt },
    (done, total) => remark(`tokenizing the texts: ${done} of ${total} pieces`),
  );
  if (dataset_percentage === 1) return dataset;
  return subset(dataset, upTo(Math.ceil(dataset.length * dataset_percentage)));
}
