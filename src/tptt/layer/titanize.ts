import type { Parameter } from "../../engine/index.js";
import type { Backbone } from "../../models/backbone.js";
import { asLanguageModel, LanguageModel } from "../../models/language-model.js";
import type { LoraLinear } from "../../nn/lora.js";
import { nameParameters } from "../../nn/module.js";
import type { TpttConfig } from "../config/config.js";
import type { LCache } from "../memory/lcache.js";
import { getTpttModel, setTrainableParameters } from "./inject.js";
import { injectLora } from "./inject-lora.js";
import type { LiZAttention } from "./liza-attention.js";

/** What a base model has become. */
export interface Titanized {
  /** The config as it was given; what it left open, the task and the layers with an update, is named. */
  readonly config: TpttConfig;
  readonly wrapped: readonly LiZAttention[];
  readonly lora: readonly LoraLinear[];
  readonly linearCache: LCache;
  /** What training changes. */
  readonly trainable: readonly Parameter[];
}

/**
 * Puts memories and low-rank updates into a base model, and sets which parameters are trained.
 *
 * @param trainableParameters parts of the names of base parameters that are trained themselves.
 * @throws InputError when the config names layers or a task that the model does not have.
 */
export function titanize(
  base: Backbone,
  config: TpttConfig,
  trainableParameters: readonly string[],
): Titanized {
  setTrainableParameters(base, trainableParameters);
  const { linearCache, wrapped } = getTpttModel(base, config);
  const lora = config.loraConfig && injectLora(base, config.loraConfig);
  nameParameters(base);
  const modelTask = config.modelTask ?? (base instanceof LanguageModel ? "causal_lm" : "feature_extraction");
  if (modelTask === "causal_lm") asLanguageModel(base);
  const parameters = new Set([...base.namedParameters()].map(([, parameter]) => parameter));
  return {
    // Python's defaults differ: what is saved names the task and the layers.
    config: config.with({
      modelTask,
      ...(lora ? { loraConfig: { targetModules: lora.targetModules } } : {}),
    }),
    wrapped,
    lora: lora?.layers ?? [],
    linearCache,
    trainable: [...parameters].filter(({ trainable }) => trainable),
  };
}
