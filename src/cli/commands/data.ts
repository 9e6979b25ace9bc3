import { InputError } from "../../errors.js";
import type { HubObserver } from "../../io/hub/hub.js";
import { locateModel } from "../../io/hub/locate-model.js";
import type { Tokenizer } from "../../io/tokenizer.js";
import { readTextFormat } from "../../models/text-format.js";
import { TpttConfig } from "../../tptt/config/config.js";
import { readSavedConfig } from "../../tptt/files/open-titan.js";
import { baseModelOf, locateBase } from "../../tptt/files/titan-folder.js";
import { trainingOptions } from "../../train/arguments.js";
import { defineCommand } from "../command.js";
import { common, maxLengthFor } from "../common-options.js";
import { dataOptions, openRecords, useChatTemplate } from "../data-options.js";
import { dataReport, measureData } from "../data-report.js";
import { observeHub } from "../hub-names.js";
import { complete } from "../options.js";
import { createReporter } from "../reporter.js";

const options = {
  dataset: common.dataset,
  model: common.model,
  max_length: common.max_length,
  ...dataOptions,
  seed: trainingOptions.seed,
  json: common.json,
};

export const data = defineCommand({
  name: "data",
  description: "Shows what a model's training would make of data: lengths, what is cut off, what is learnt.",
  options,
  operands: "dataset",
  async run(given, io) {
    const values = complete(options, given);
    const reporter = createReporter({ ...io, json: values.json });
    const { tokenizer, longest } = await readTokenizer(values.model, observeHub(reporter));
    await useChatTemplate(tokenizer, values);
    const records = await openRecords(values.dataset, values, reporter);
    try {
      const { measures, lengths } = await measureData(records, tokenizer, {
        maxLength: maxLengthFor(longest, given.max_length, values.max_length),
        maskPrompt: values.mask_prompt,
        share: values.dataset_percentage,
        seed: values.seed,
        onProgress: (done, total) => {
          if (!values.json) reporter.progress(done, total, {});
        },
      });
      reporter.close();
      if (values.json) reporter.done(measures);
      else io.stdout.write(`${dataReport(measures, lengths)}\n`);
    } finally {
      reporter.close();
      await records.close();
    }
  },
});

/** The tokenizer of a model, and the longest text that the model reads, without its weights. */
async function readTokenizer(
  model: string,
  observer: HubObserver,
): Promise<{ tokenizer: Tokenizer; longest: number }> {
  const place = await locateModel(model, observer, "look");
  const saved = await readSavedConfig(place.path);
  const base = (saved ?? TpttConfig.from({})).with(await locateBase(saved, place));
  const { tokenizer, longest } = await readTextFormat(await baseModelOf(base), observer);
  if (!tokenizer) {
    throw new InputError(model, "has no tokenizer; add tokenizer.json to the model's folder");
  }
  if (saved) {
    await place.access.fetch("tokenizer");
    await tokenizer.useChatTemplateOf(place.path);
  }
  return { tokenizer, longest };
}
