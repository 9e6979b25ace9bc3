import { z } from "zod";
import { diffusionAlgorithms } from "../../generate/diffusion.js";
import { effectiveMagWeight } from "../../tptt/effective-mag-weight.js";
import { defineCommand } from "../command.js";
import { common, count, placing } from "../common-options.js";
import { observeHub } from "../hub-names.js";
import { heldAs, loadModel, placeOf } from "../load-model.js";
import { complete, defined } from "../options.js";
import { pace } from "../pace.js";
import { createReporter } from "../reporter.js";
import { samplingOptions, toSampling } from "../sampling-options.js";

const options = {
  model: common.model,
  prompt: z.string().describe("the text to go on from"),
  max_new_tokens: count().optional().describe("most new tokens; without it, 128 or what the model can read"),
  ...samplingOptions,
  steps: count()
    .optional()
    .describe("steps of a model that writes by diffusion; without it, one for each new token"),
  alg: z
    .enum(diffusionAlgorithms)
    .optional()
    .describe("which guesses a step of diffusion keeps; without it, entropy"),
  mag_weight: common.mag_weight,
  ...placing("gguf"),
  json: common.json,
};

export const generate = defineCommand({
  name: "generate",
  description: "Continues a text, with a titan or a base model.",
  options,
  async run(given, io) {
    const { json, ...values } = complete(options, given);
    const reporter = createReporter({ ...io, json });
    const hubObserver = observeHub(reporter);
    const model = await loadModel(values.model, values.mag_weight, { ...heldAs(values), hubObserver });
    try {
      const start = performance.now();
      const arrivals: number[] = [];
      let text = "";
      const { prompt, max_new_tokens, steps, alg } = values;
      const onToken = () => arrivals.push(performance.now());
      for await (const piece of model.stream({
        prompt,
        ...toSampling(values),
        ...defined({ maxNewTokens: max_new_tokens, steps, alg, onToken }),
      })) {
        text += piece;
        if (json) reporter.event("text", { text: piece });
        else io.stdout.write(piece);
      }
      if (!json && io.stdout.isTTY) io.stdout.write("\n");
      reporter.done({
        ...(json ? { text } : {}),
        tokens: arrivals.length,
        // Diffusion gives all tokens at the end.
        tokens_per_second: model.maskTokenId === undefined ? pace(arrivals) : undefined,
        seconds: (performance.now() - start) / 1000,
        mag_weight: effectiveMagWeight(model),
        ...(json ? placeOf(model) : {}),
      });
    } finally {
      reporter.close();
      await model.dispose();
    }
  },
});
