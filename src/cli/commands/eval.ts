import { splitDataset } from "../../data/dataset.js";
import { evaluateLoss } from "../../evaluate/loss.js";
import { trainingOptions } from "../../train/arguments.js";
import { defineCommand } from "../command.js";
import { common, count, maxLengthFor, quantizeOption } from "../common-options.js";
import { dataOptions, examplesOf, openBeside, openRecords } from "../data-options.js";
import { effectiveMagWeight } from "../effective-mag-weight.js";
import { loadModel } from "../load-model.js";
import { complete } from "../options.js";
import { createReporter } from "../reporter.js";

const options = {
  model: common.model,
  data: common.dataset,
  samples: count().optional().describe("only so many examples: those that training with the seed holds out"),
  seed: trainingOptions.seed,
  batch_size: common.batch_size,
  max_length: common.max_length,
  ...dataOptions,
  mag_weight: common.mag_weight,
  quantize: quantizeOption("none"),
  device: common.device,
  json: common.json,
};

export const evaluate = defineCommand({
  name: "eval",
  description: "Measures the loss and perplexity of a titan or a base model on a text.",
  options,
  async run(given, io) {
    const values = complete(options, given);
    const reporter = createReporter({ ...io, json: values.json });
    const { quantize, device } = values;
    const records = await openRecords(values.data, values, reporter);
    const model = await openBeside(records, loadModel(values.model, values.mag_weight, { quantize, device }));
    try {
      const maxLength = maxLengthFor(model.maxLength, given.max_length, values.max_length);
      const all = await examplesOf(records, model.requireTokenizer(), values, maxLength, reporter);
      const { samples = all.length, seed } = values;
      const examples = samples < all.length ? splitDataset(all, samples, seed).held : all;
      const summary = await evaluateLoss(model, examples, {
        batchSize: values.batch_size,
        maxLength,
        onBatch: (done, total, { loss, tokensPerSecond }) =>
          reporter.progress(done, total, { loss, tokens_per_second: tokensPerSecond }),
      });
      reporter.done({
        loss: summary.loss,
        loss_standard_error: summary.lossStandardError,
        perplexity: summary.perplexity,
        perplexity_interval: summary.perplexityInterval,
        tokens: summary.tokens,
        ...(records.malformed > 0 ? { malformed: records.malformed } : {}),
        tokens_per_second: summary.tokensPerSecond,
        mag_weight: effectiveMagWeight(model),
        ...(values.json ? { device } : {}),
      });
    } finally {
      reporter.close();
      await records.close();
      await model.dispose();
    }
  },
});
