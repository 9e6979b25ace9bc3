import { join, resolve } from "node:path";
import { z } from "zod";
import { type Dataset, splitDataset } from "../../data/dataset.js";
import { packDataset } from "../../data/pack.js";
import { InputError } from "../../errors.js";
import { isMissingFile } from "../../io/json-file.js";
import { checkCardTemplate, locateTemplate } from "../../tptt/files/model-card.js";
import { readSavedConfig } from "../../tptt/files/open-titan.js";
import { rewriteModelCard } from "../../tptt/files/rewrite-card.js";
import { TpttModel } from "../../tptt/tptt-model.js";
import { argumentFields, trainingArguments, trainingOptions } from "../../train/arguments.js";
import { LiZACallback, lizaModes } from "../../train/liza-callback.js";
import { Trainer } from "../../train/trainer.js";
import { type CliIo, defineCommand, interrupted } from "../command.js";
import { common, count, maxLengthFor, placing } from "../common-options.js";
import { readConfigFile } from "../config-file.js";
import { dataOptions, examplesOf, openBeside, openRecords, remarksOf } from "../data-options.js";
import { lastingName, observeHub } from "../hub-names.js";
import { heldAs, placeOf } from "../load-model.js";
import { complete, flag, type Given, path, share, type Values } from "../options.js";
import { quoted } from "../quoted.js";
import { createReporter, type Reporter } from "../reporter.js";
import { optionsFile, RunFolder } from "../run-folder.js";
import { refuseIdle, titanOptions, toTpttOptions } from "../titan-options.js";
import { TrainingReport } from "../training-report.js";

const lizaOptions = {
  liza_callback_mode: z.enum(lizaModes).default("gradual").describe("how mu changes in training"),
  liza_initial_weight: share().default(0).describe("mu at the first step"),
  liza_final_weight: share().optional().describe("mu after the transition; without it, mag_weight"),
  liza_transition_steps: count().default(100).describe("steps of the transition"),
};

const options = {
  model: common.model,
  dataset: common.dataset,
  output: path().describe("the folder for the titan, its metrics and checkpoints"),
  resume: flag().describe("go on from the latest checkpoint in the output folder, with its run's options"),
  ...trainingOptions,
  ...dataOptions,
  packing: flag().describe("puts several short examples into one sequence of max_length"),
  eval_samples: z
    .int()
    .nonnegative()
    .default(0)
    .describe("examples, drawn by the seed, that are kept for evaluation"),
  ...titanOptions,
  ...lizaOptions,
  ...placing("none"),
  card_template: path().optional().describe("a Jinja template of your own for the titan's model card"),
  json: common.json,
};

type Options = typeof options;

export const train = defineCommand({
  name: "train",
  description: "Trains a titan of a base model, or goes on with a saved one.",
  options,
  async run(onCommandLine, io) {
    const given = await withOptionsOfRun(onCommandLine);
    const values = complete(options, given);
    const folder = await RunFolder.open(values.output, values.resume);
    return trainIn(folder, given, values, io).finally(() => folder.close());
  },
});

async function trainIn(
  folder: RunFolder,
  given: Given<Options>,
  values: Values<Options>,
  io: CliIo,
): Promise<number> {
  const card = values.card_template === undefined ? undefined : await locateTemplate(values.card_template);
  const reporter = createReporter({ ...io, json: values.json, loggingSteps: values.logging_steps });
  const hubObserver = observeHub(reporter);
  const titan = toTpttOptions(given, await readSavedConfig(values.model, hubObserver));
  refuseIdle(given, "report_to none", values.report_to === "none", ["logging_dir"]);
  refuseIdle(given, "disable_linear_attn", values.disable_linear_attn, Object.keys(lizaOptions));
  for (const problem of folder.torn) reporter.note(`torn checkpoint: ${problem}`);
  if (folder.torn.length > 0) reporter.note(`going on from ${folder.checkpoint}`);
  const records = await openRecords(values.dataset, values, reporter);
  const model = await openBeside(
    records,
    TpttModel.fromPretrained(values.model, { ...titan, seed: values.seed, ...heldAs(values), hubObserver }),
  );
  try {
    const longest = model.base.config.maxPositionEmbeddings;
    const max_length = maxLengthFor(longest, given.max_length, values.max_length);
    const examples = await examplesOf(records, model.requireTokenizer(), values, max_length, reporter);
    const data = await trainingData(examples, { ...values, max_length }, reporter);
    reporter.event("data", {
      examples: data.trainDataset.length,
      eval_examples: data.evalDataset.length,
      ...(records.malformed > 0 ? { malformed: records.malformed } : {}),
      trainable_parameters: model.trainable.reduce((sum, { size }) => sum + size, 0),
    });
    const args = trainingArguments({ ...values, max_length });
    if (card !== undefined) {
      await checkCardTemplate(card, model.config.toJson(model.baseConfig), argumentFields(args));
    }
    const ofRun = await optionsOfRun(given);
    const report = new TrainingReport(model, reporter, () => folder.begin(ofRun));
    const trainer = new Trainer({
      model,
      args,
      ...data,
      outputDir: folder.path,
      outputLock: folder.lock,
      resumeFrom: folder.checkpoint,
      callbacks: lizaCallbacks(model, values, given),
      observer: report,
    });

    let trained = false;
    const release = io.onInterrupt(() => {
      trainer.stop();
      const next = trained ? "the titan is being written" : "a checkpoint follows this step";
      reporter.note(`interrupted: ${next}; interrupt again to stop at once`);
    });
    const resume = `npx tptt train --output ${quoted(folder.path)} --resume`;
    const trainAndSave = async () => {
      const result = await trainer.train();
      if (result.interrupted) return result;
      trained = true;
      await model.savePretrained(folder.path);
      if (card !== undefined) await rewriteModelCard(folder.path, card);
      return result;
    };
    const saved = trainAndSave().finally(release);
    const result = await saved.catch((error: unknown) => {
      const checkpoint = report.checkpoint ?? folder.checkpoint;
      if (!report.hasStarted) folder.discard();
      else if (checkpoint) reporter.note(`the last checkpoint is ${checkpoint}; to go on from it: ${resume}`);
      throw error;
    });
    if (result.interrupted) reporter.note(`to go on: ${resume}`);
    reporter.done({
      steps: result.steps,
      tokens: result.tokens,
      ...(result.skipped > 0 ? { skipped: result.skipped } : {}),
      tokens_per_second: result.tokensPerSecond,
      eval_losses: report.evalLosses,
      ...(values.json ? placeOf(model) : {}),
      output: folder.path,
      ...(result.interrupted ? { interrupted: true, ...(values.json ? { resume } : {}) } : {}),
    });
    return result.interrupted ? interrupted : 0;
  } finally {
    reporter.close();
    await records.close();
    await model.dispose();
  }
}

/** When a run is resumed, its options stand behind those that are given now. */
async function withOptionsOfRun(given: Given<Options>): Promise<Given<Options>> {
  if (!given.resume || given.output === undefined) return given;
  const ofRun = await readConfigFile(join(given.output, optionsFile), options).catch((error: unknown) => {
    if (!isMissingFile(error)) throw error;
    if (given.model !== undefined) return {};
    throw new InputError(
      given.output!,
      `holds no run to go on with, for there is no ${optionsFile}; check the folder`,
    );
  });
  return { ...ofRun, ...given };
}

/** What a resumed run needs to know, wherever it is started. */
async function optionsOfRun({ resume, output, json, ...given }: Given<Options>): Promise<Given<Options>> {
  const { model, dataset, logging_dir, card_template, chat_template } = given;
  return {
    ...given,
    ...(model === undefined ? {} : { model: await lastingName("model", model) }),
    ...(dataset === undefined
      ? {}
      : { dataset: await Promise.all(dataset.map((name) => lastingName("dataset", name))) }),
    ...(logging_dir === undefined ? {} : { logging_dir: resolve(logging_dir) }),
    ...(card_template === undefined ? {} : { card_template: resolve(card_template) }),
    ...(chat_template === undefined ? {} : { chat_template: resolve(chat_template) }),
  };
}

/** What is trained on, and what is held out. */
async function trainingData(
  examples: Dataset,
  { eval_samples, seed, packing, max_length }: Values<Options>,
  reporter: Reporter,
): Promise<{ trainDataset: Dataset; evalDataset: Dataset }> {
  const { train: all, held: evalDataset } = splitDataset(examples, eval_samples, seed);
  if (!packing) return { trainDataset: all, evalDataset };
  const remark = remarksOf(reporter);
  const trainDataset = await packDataset(all, max_length, (done, total) =>
    remark(`measuring what is packed: ${done} of ${total} examples`),
  );
  return { trainDataset, evalDataset };
}

/** The schedule of mu; none without a memory, nor, unless one is asked for, where mu is learned. */
function lizaCallbacks(model: TpttModel, values: Values<Options>, given: Given<Options>): LiZACallback[] {
  const learned = model.config.magMode === "dynamic" && given.liza_callback_mode === undefined;
  if (model.disableLinearAttn || learned) return [];
  const callback = new LiZACallback(model, {
    mode: values.liza_callback_mode,
    initialWeight: values.liza_initial_weight,
    finalWeight: values.liza_final_weight ?? model.magWeight,
    transitionStep: values.liza_transition_steps,
  });
  return [callback];
}
