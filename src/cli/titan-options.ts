import { z } from "zod";
import { InputError } from "../errors.js";
import { magModes, type TpttConfig } from "../tptt/config/config.js";
import { allLinear } from "../tptt/config/lora-targets.js";
import { type OperatorMode, operatorForms, recurrentModes } from "../tptt/config/operator-config.js";
import type { FromPretrainedOptions } from "../tptt/files/open-titan.js";
import { projections } from "../tptt/layer/inject.js";
import { count } from "./common-options.js";
import { complete, defined, flag, flagOf, type Given, names, share } from "./options.js";

const gate = () => z.enum(["k", "v", "kv", "c"]);

const loraOptions = {
  lora_r: z.int().nonnegative().default(8).describe("rank of the low-rank updates; 0: none"),
  lora_alpha: z.number().positive().default(16).describe("their scale is alpha / r"),
  lora_dropout: z.number().min(0).lt(1).default(0).describe("chance that an input of an update is dropped"),
  lora_target_modules: names()
    .optional()
    .describe(
      "the linear layers that get one, by their names, or all-linear; without it, the attention projections",
    ),
};

/** The operator's parts, for an operator that has no name. */
const recurrentOptions = {
  order: count().optional().describe("virtual tokens of a token"),
  alpha_gate: gate().optional().describe("what the forget gate is made of"),
  beta_gate: gate().optional().describe("what the write gate is made of"),
  trick: z.enum(["dt", "rot", "rdt", "cte"]).optional().describe("how virtual tokens are made"),
};

/** What a titan is made like; the defaults are for a base model, a saved titan stays as it is. */
export const titanOptions = {
  operator_mode: z
    .enum(Object.keys(recurrentModes) as [OperatorMode, ...OperatorMode[]])
    .optional()
    .describe("the memory's operator; without it, delta_rule"),
  ...recurrentOptions,
  operator_form: z
    .enum(operatorForms)
    .default("exact")
    .describe("exact, or tptt-0.12 to compute as the Python package does"),
  max_self_attn_length: count().optional().describe("softmax attention sees this many tokens"),
  max_chunk_size: count().default(64).describe("tokens that the memory reads at a time in training"),
  base_scale_attn: flag().describe("scale the memory's output to that of softmax attention"),
  cross_gate: flag().describe("add the product of both outputs"),
  mag_weight: share().default(0.5).describe("mu, the memory's share of the output"),
  mag_mode: z
    .enum(magModes)
    .default("constant")
    .describe("where mu comes from: dynamic learns it for each token, in place of mag_weight"),
  disable_linear_attn: flag().describe("no memory: plain LoRA"),
  ...loraOptions,
  trainable: names()
    .optional()
    .describe(
      "full fine-tuning, with lora_r 0: parts of the names of what is trained; without it, the attention projections",
    ),
};

/** The options as a titan takes them: those that change a saved one, or all that a new one needs. */
export function toTpttOptions(
  given: Given<typeof titanOptions>,
  saved: TpttConfig | undefined,
): FromPretrainedOptions {
  const [part] = Object.keys(recurrentOptions).filter((name) => name in given);
  if (given.operator_mode !== undefined && part !== undefined) {
    throw new InputError(
      flagOf(part),
      `is given beside --operator-mode ${given.operator_mode}, which sets it; leave one of them out`,
    );
  }
  refuseIdle(given, "disable_linear_attn", given.disable_linear_attn === true, [
    "operator_mode",
    ...Object.keys(recurrentOptions),
    "operator_form",
    "mag_mode",
    "mag_weight",
    "cross_gate",
    "base_scale_attn",
  ]);
  refuseIdle(given, "mag_mode dynamic", given.mag_mode === "dynamic", ["mag_weight"]);
  refuseIdle(given, "lora_r 0", given.lora_r === 0, ["lora_alpha", "lora_dropout", "lora_target_modules"]);
  const method = saved ? given : complete(titanOptions, given);
  return defined({
    operatorMode: given.operator_mode ?? (saved || part !== undefined ? undefined : "delta_rule"),
    order: given.order,
    alphaGate: given.alpha_gate,
    betaGate: given.beta_gate,
    trick: given.trick,
    operatorForm: method.operator_form,
    maxSelfAttnLength: method.max_self_attn_length,
    maxChunkSize: method.max_chunk_size,
    baseScaleAttn: method.base_scale_attn,
    crossGate: method.cross_gate,
    magWeight: method.mag_weight,
    magMode: method.mag_mode,
    disableLinearAttn: method.disable_linear_attn,
    ...trainingOf(given, saved),
  });
}

/** Refuses options that change nothing beside another one. */
export function refuseIdle(given: object, beside: string, holds: boolean, names: readonly string[]): void {
  const idle = holds ? names.find((name) => name in given) : undefined;
  if (idle !== undefined) {
    throw new InputError(
      flagOf(idle),
      `is given beside ${flagOf(beside)}, which leaves it without effect; leave one of them out`,
    );
  }
}

/** What is trained: low-rank updates, or parameters of the base model. */
function trainingOf(given: Given<typeof titanOptions>, saved: TpttConfig | undefined): FromPretrainedOptions {
  const lora = saved?.loraConfig ? given : complete(loraOptions, given);
  if (lora.lora_r !== 0) {
    if (given.trainable) {
      throw new InputError(flagOf("trainable"), "is given beside LoRA; turn that off with --lora-r 0");
    }
    return {
      loraConfig: defined({
        r: lora.lora_r,
        loraAlpha: lora.lora_alpha,
        loraDropout: lora.lora_dropout,
        targetModules: String(lora.lora_target_modules) === allLinear ? allLinear : lora.lora_target_modules,
      }),
    };
  }
  if (saved?.loraConfig) {
    throw new InputError(
      flagOf("lora_r"),
      "is 0, but the model was saved with LoRA; merge it first (tptt merge)",
    );
  }
  return defined({ trainableParameters: given.trainable ?? (saved ? undefined : projections) });
}
