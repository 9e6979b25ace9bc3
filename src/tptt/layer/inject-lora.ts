import type { Parameter } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { LanguageModel } from "../../models/language-model.js";
import { Linear } from "../../nn/layers.js";
import { LoraLinear } from "../../nn/lora.js";
import type { Module } from "../../nn/module.js";
import type { LoraConfig } from "../config/lora-config.js";
import {
  allLinear,
  barePath,
  choose,
  isMeant,
  isTarget,
  targetsFor,
  updateOf,
} from "../config/lora-targets.js";
import { projections } from "./inject.js";

/**
 * Gives every linear layer that the config names a trainable low-rank update, and lets the modules train that are to
 * be saved whole.
 *
 * @returns the new layers in order, and targets that mean these and no others.
 * @throws InputError when a named layer or module does not exist, or cannot be trained by itself.
 */
export function injectLora(
  model: Module,
  config: LoraConfig,
): { layers: LoraLinear[]; targetModules: readonly string[] | string } {
  const linear = [...model.namedModules()].filter(
    (entry): entry is [string, Linear] => entry[1] instanceof Linear,
  );
  const targets = targetsIn(linear, model, config);
  for (const parameter of savedParameters(model, config)) parameter.trainable = true;
  const layers = new Map<string, LoraLinear>();
  const chosen = choose(() =>
    linear
      .filter(([path]) => isTarget(path, config, targets))
      .map(([path, module]) => ({ path, module, ...updateOf(path, config) })),
  );
  for (const { path, module, r, scaling } of chosen) {
    const lora = new LoraLinear(module, r, scaling);
    model.set(path, lora);
    layers.set(path, lora);
  }
  if (layers.size === 0) throw noTarget("nothing", linear);
  return {
    layers: [...layers.values()],
    targetModules: targetsFor(config.targetModules ?? targets, [...layers.keys()], (path) => path),
  };
}

/** The targets as names or a pattern, of which each is known to the model. */
function targetsIn(
  linear: readonly [string, Linear][],
  model: Module,
  { targetModules }: LoraConfig,
): readonly string[] | string {
  if (targetModules === allLinear) {
    const head = model instanceof LanguageModel ? model.head : undefined;
    return linear.filter(([, { weight }]) => weight !== head).map(([path]) => path);
  }
  if (typeof targetModules === "string") return targetModules;
  const isKnown = (name: string) =>
    linear.some(([path]) => isMeant(path, [name]) || isMeant(barePath(path), [name]));
  if (targetModules === undefined) return projections.filter(isKnown);
  const missing = targetModules.find((name) => !isKnown(name));
  if (missing !== undefined) throw noTarget(missing, linear);
  return targetModules;
}

function noTarget(name: string, linear: readonly [string, Linear][]): InputError {
  const known = new Set(linear.map(([path]) => path.split(".").at(-1)!));
  return new InputError(
    "lora_target_modules",
    `names ${name}, which no linear layer of this model is called; it has ${[...known].join(", ")}`,
  );
}

/** The parameters of the modules that are trained whole. */
function savedParameters(model: Module, { modulesToSave }: LoraConfig): Set<Parameter> {
  const parameters = new Set<Parameter>();
  for (const name of modulesToSave) {
    const found = [...model.namedModules()].filter(([path]) => barePath(path).endsWith(name));
    const isTied = model instanceof LanguageModel && model.config.tieWordEmbeddings;
    const own = found.flatMap(([, module]) =>
      [...module.namedParameters()].map(([, parameter]) => parameter),
    );
    if (isTied && (own.includes(model.head) || (found.length === 0 && /head|embed/.test(name)))) {
      throw new InputError(
        "modules_to_save",
        `names ${name}, but the output embedding of this model is its input embedding; leave it out, for a copy of one of them cannot be trained alone`,
      );
    }
    if (own.length === 0) {
      const known = new Set([...model.namedModules()].map(([path]) => path.split(".").at(-1)!));
      throw new InputError(
        "modules_to_save",
        `names ${name}, which is no module; there are ${[...known].filter((part) => /\D/.test(part)).join(", ")}`,
      );
    }
    for (const parameter of own) parameters.add(parameter);
  }
  return parameters;
}
