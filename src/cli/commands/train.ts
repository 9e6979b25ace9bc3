import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { readDataset } from "../../data/dataset.js";
import { type Example, tokenizeDataset } from "../../data/tokenize.js";
import { InputError } from "../../errors.js";
import { isMissingFile, readJsonFile } from "../../io/json-file.js";
import { generateModelCard, locateTemplate } from "../../tptt/files/model-card.js";
import { readSavedConfig } from "../../tptt/files/open-titan.js";
import { TpttModel } from "../../tptt/tptt-model.js";
import { trainingArguments, trainingOptions } from "../../train/arguments.js";
import { LiZACallback, lizaModes } from "../../train/liza-callback.js";
import { Trainer } from "../../train/trainer.js";
import { defineCommand, interrupted } from "../command.js";
import { common, count, maxLengthFor, quantizeOption, share } from "../common-options.js";
import { readConfigFile } from "../config-file.js";
import { complete, flag, flagOf, type Given, path, type Values } from "../options.js";
import { quoted } from "../quoted.js";
import { createReporter } from "../reporter.js";
import { RunFolder } from "../run-folder.js";
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
  dataset_percentage: share().default(1).describe("the part of the examples that is used, from the first on"),
  mask_prompt: common.mask_prompt,
  eval_samples: z
    .int()
    .nonnegative()
    .default(0)
    .describe("examples at the end of the data that are kept for evaluation"),
  ...titanOptions,
  ...lizaOptions,
  quantize: quantizeOption("none"),
  device: common.device,
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
    const card = values.card_template === undefined ? null : await locateTemplate(values.card_template);
    const records = await readDataset(values.dataset);
    const titan = toTpttOptions(given, await readSavedConfig(values.model));
    refuseIdle(given, "disable_linear_attn", values.disable_linear_attn, Object.keys(lizaOptions));
    const reporter = createReporter({ ...io, json: values.json, loggingSteps: values.logging_steps });
    const model = await TpttModel.fromPretrained(values.model, {
      ...titan,
      seed: values.seed,
      quantize: values.quantize,
      device: values.device,
    });
    try {
      const longest = model.base.config.maxPositionEmbeddings;
      const max_length = maxLengthFor(longest, given.max_length, values.max_length);
      const examples = tokenizeDataset(records, model.requireTokenizer(), {
        maxLength: max_length,
        maskPrompt: values.mask_prompt,
      });
      const data = holdOut(examples, values);
      reporter.event("data", {
        examples: data.trainDataset.length,
        eval_examples: data.evalDataset.length,
        trainable_parameters: model.trainable.reduce((sum, { size }) => sum + size, 0),
      });
      const report = new TrainingReport(model, reporter);
      const trainer = new Trainer({
        model,
        args: trainingArguments({ ...values, max_length }),
        ...data,
        outputDir: folder.path,
        resumeFrom: folder.checkpoint,
        callbacks: lizaCallbacks(model, values, given),
        observer: report,
      });

      await folder.begin(optionsOfRun(given));
      const release = io.onInterrupt(() => {
        trainer.stop();
        reporter.note("interrupted: a checkpoint follows this step; interrupt again to stop at once");
      });
      const result = await trainer
        .train()
        .catch(async (error: unknown) => {
          if (!report.hasStarted) await folder.discard();
          throw error;
        })
        .finally(release);
      if (!result.interrupted) {
        await model.savePretrained(folder.path);
        const figures = {
          ...optionsOnCard({ ...values, max_length }),
          examples: data.trainDataset.length,
          ...report.figures,
          steps: result.steps,
          tokens: result.tokens,
        };
        const config = await readJsonFile(join(folder.path, "config.json"));
        await generateModelCard(folder.path, config, card, figures);
      }
      const resume = `npx tptt train --output ${quoted(folder.path)} --resume`;
      if (result.interrupted) reporter.note(`to go on: ${resume}`);
      reporter.done({
        steps: result.steps,
        tokens: result.tokens,
        tokens_per_second: result.tokensPerSecond,
        eval_losses: report.evalLosses,
        ...(values.json ? { device: values.device } : {}),
        output: folder.path,
        ...(result.interrupted ? { interrupted: true, ...(values.json ? { resume } : {}) } : {}),
      });
      return result.interrupted ? interrupted : 0;
    } finally {
      reporter.close();
      await model.dispose();
    }
  },
});

/** When a run is resumed, its options stand behind those that are given now. */
async function withOptionsOfRun(given: Given<Options>): Promise<Given<Options>> {
  if (!given.resume || given.output === undefined) return given;
  const ofRun = await readConfigFile(RunFolder.optionsFile(given.output), options).catch((error: unknown) => {
    if (isMissingFile(error)) return {};
    throw error;
  });
  return { ...ofRun, ...given };
}

/** What a resumed run needs to know, wherever it is started. */
function optionsOfRun({ resume, output, json, ...given }: Given<Options>): Given<Options> {
  const { model, dataset, card_template } = given;
  return {
    ...given,
    ...(model === undefined ? {} : { model: resolve(model) }),
    ...(dataset === undefined ? {} : { dataset: resolve(dataset) }),
    ...(card_template === undefined ? {} : { card_template: resolve(card_template) }),
  };
}

/** What the model card says of a run's options. */
const optionsOnCard = (values: Values<Options>) => ({
  dataset: basename(values.dataset),
  epochs: values.max_steps === undefined ? values.epochs : undefined,
  batch_size: values.batch_size,
  gradient_accumulation_steps: values.gradient_accumulation_steps,
  max_length: values.max_length,
  learning_rate: values.learning_rate,
  lr_scheduler_type: values.lr_scheduler_type,
});

function holdOut(
  all: readonly Example[],
  { dataset_percentage, eval_samples: count, dataset }: Values<Options>,
) {
  const examples = all.slice(0, Math.ceil(all.length * dataset_percentage));
  const rest = examples.length - count;
  if (rest <= 0) {
    throw new InputError(
      flagOf("eval_samples"),
      `is ${count}, but ${dataset} gives ${examples.length} examples; leave some to train on`,
    );
  }
  return { trainDataset: examples.slice(0, rest), evalDataset: examples.slice(rest) };
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
