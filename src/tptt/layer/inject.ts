import { InputError } from "../../errors.js";
import { Backbone } from "../../models/backbone.js";
import { Attention } from "../../nn/attention.js";
import type { Module } from "../../nn/module.js";
import { attentionNames } from "../config/config.js";
import { LCache } from "../memory/lcache.js";
import { LiZAttention, type LiZAttentionOptions } from "./liza-attention.js";

/** Options of {@link getTpttModel}. */
export interface InjectionOptions extends LiZAttentionOptions {
  /** Ends of the paths of the layers to wrap. */
  readonly targetModulesNames?: readonly string[];
  readonly linearCache?: LCache;
}

/**
 * Python's `get_tptt_model`: puts a {@link LiZAttention} around every attention layer whose path ends in one of the
 * target names.
 *
 * @returns the same model, and the cache that its memories share.
 * @throws InputError when no layer has such a name.
 */
export function getTpttModel<M extends Module>(
  model: M,
  options: InjectionOptions,
): { model: M; linearCache: LCache; wrapped: LiZAttention[] } {
  const { targetModulesNames = attentionNames, linearCache = new LCache() } = options;
  const hiddenDim = options.hiddenDim ?? (model instanceof Backbone ? model.config.hiddenSize : undefined);
  const wrapped: LiZAttention[] = [];
  for (const [path, module] of [...model.namedModules()]) {
    if (!(module instanceof Attention) || !targetModulesNames.some((name) => path.endsWith(name))) continue;
    const liza = new LiZAttention(module, { ...options, hiddenDim }, linearCache);
    model.set(path, liza);
    wrapped.push(liza);
  }
  if (wrapped.length === 0) {
    const known = [...model.namedModules()]
      .filter(([, module]) => module instanceof Attention)
      .map(([path]) => path);
    throw new InputError(
      "target_modules_names",
      `names ${targetModulesNames.join(", ")}, but the attention layers are ${known.join(", ")}`,
    );
  }
  return { model, linearCache, wrapped };
}

/** Projections of attention layers, by the names that families give them. */
export const projections: readonly string[] = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "qkv_proj",
  "out_proj",
  "c_attn",
  "c_proj",
  "query",
  "key",
  "value",
];

/**
 * Python's `set_trainable_parameters`: freezes every parameter but those whose name holds one of the patterns; by
 * default the attention projections and learned gates.
 */
export function setTrainableParameters(
  model: Module,
  patterns: readonly string[] = [...projections, "dynamic_gate"],
): void {
  for (const [name, parameter] of model.namedParameters()) {
    parameter.trainable = patterns.some((pattern) => name.includes(pattern));
  }
}
