import { InputError } from "../errors.js";
import { Attention } from "../nn/attention.js";
import { Linear } from "../nn/layers.js";
import { LoraLinear } from "../nn/lora.js";
import type { Module } from "../nn/module.js";
import { attentionNames, type LoraConfig } from "./config.js";
import { LCache } from "./lcache.js";
import { LiZAttention, type LiZAttentionOptions } from "./liza-attention.js";

/** Options of {@link getTpttModel}. */
export interface InjectionOptions extends LiZAttentionOptions {
  /** Ends of the paths of the layers to wrap. */
  readonly targetModulesNames?: readonly string[];
  readonly linearCache?: LCache;
}

/**
 * Puts a {@link LiZAttention} around every attention layer whose path ends in one of the target names.
 *
 * @returns the same model, and the cache that its memories share.
 * @throws InputError when no layer has such a name.
 */
export function getTpttModel<M extends Module>(
  model: M,
  options: InjectionOptions,
): { model: M; linearCache: LCache; wrapped: LiZAttention[] } {
  const { targetModulesNames = attentionNames, linearCache = new LCache() } = options;
  const wrapped: LiZAttention[] = [];
  for (const [path, module] of [...model.namedModules()]) {
    if (!(module instanceof Attention) || !targetModulesNames.some((name) => path.endsWith(name))) continue;
    const liza = new LiZAttention(module, options, linearCache);
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
const projections = [
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
 * Gives every linear layer that the config names a trainable low-rank update.
 *
 * @returns the new layers in order, and those of the names that were found.
 * @throws InputError when a named layer does not exist.
 */
export function injectLora(
  model: Module,
  { r, loraAlpha, targetModules }: LoraConfig,
): { layers: LoraLinear[]; targetModules: string[] } {
  const targets = targetModules ?? projections;
  const found = new Set<string>();
  const layers: LoraLinear[] = [];
  for (const [path, module] of [...model.namedModules()]) {
    const target = targets.find((name) => endsWith(path, name));
    if (!(module instanceof Linear) || target === undefined) continue;
    found.add(target);
    const lora = new LoraLinear(module, r, loraAlpha / r);
    model.set(path, lora);
    layers.push(lora);
  }
  const missing = targetModules?.find((name) => !found.has(name));
  if (missing !== undefined || layers.length === 0) {
    const linear = [...model.namedModules()].filter(([, module]) => module instanceof Linear);
    const known = new Set(linear.map(([path]) => path.split(".").at(-1)!));
    throw new InputError(
      "lora_target_modules",
      `names ${missing ?? "nothing"}, which no linear layer of this model is called; it has ${[...known].join(", ")}`,
    );
  }
  return { layers, targetModules: [...found] };
}

/**
 * Freezes every parameter but those whose name holds one of the patterns; by default the attention projections.
 */
export function setTrainableParameters(model: Module, patterns: readonly string[] = projections): void {
  for (const [name, parameter] of model.namedParameters()) {
    parameter.trainable = patterns.some((pattern) => name.includes(pattern));
  }
}

/** Whether a path ends in whole names of it, as PEFT asks. */
const endsWith = (path: string, name: string): boolean => path === name || path.endsWith(`.${name}`);
