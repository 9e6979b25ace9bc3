import { readDataset } from "../../data/dataset.js";
import { tokenizeDataset } from "../../data/tokenize.js";
import { evaluateLoss } from "../../evaluate/loss.js";
import { defineCommand } from "../command.js";
import { common, count, maxLengthFor, quantizeOption } from "../common-options.js";
import { effectiveMagWeight } from "../effective-mag-weight.js";
import { loadModel } from "../load-model.js";
import { complete } from "../options.js";
import { createReporter } from "../reporter.js";

const options = {
  model: common.model,
  data: common.dataset,
  samples: count().optional().describe("only so many examples, from the end of the data as in training"),
  batch_size: common.batch_size,
  max_length: common.max_length,
  mask_prompt: common.mask_prompt,
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
    const records = await readDataset(values.data);
    const reporter = createReporter({ ...io, json: values.json });
    const { quantize, device } = values;
    const model = await loadModel(values.model, values.mag_weight, { quantize, device });
    try {
      const maxLength = maxLengthFor(model.maxLength, given.max_length, values.max_length);
      const examples = tokenizeDataset(records, model.requireTokenizer(), {
        maxLength,
        maskPrompt: values.mask_prompt,
      });
      const summary = await evaluateLoss(model, examples.slice(-(values.samples ?? examples.length)), {
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
        tokens_per_second: summary.tokensPerSecond,
        mag_weight: effectiveMagWeight(model),
        ...(values.json ? { device } : {}),
      });
    } finally {
      reporter.close();
      await model.dispose();
    }
  },
});
