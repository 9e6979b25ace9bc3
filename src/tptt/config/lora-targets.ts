import { withinTime } from "#time-limit";
import { InputError } from "../../errors.js";
import { pythonRegex } from "../../io/python-regex.js";
import type { LoraConfig } from "./lora-config.js";

/* Which layers a LoRA config means, by the rules of PEFT (peft.tuners.tuners_utils, 0.21). */

/** The value of `target_modules` that stands for every linear layer but the output embedding. */
export const allLinear = "all-linear";

/** A path as it is in the base model, without the attention layers that LiZA puts around others. */
export const barePath = (path: string): string => path.replaceAll(".base_attn.", ".");

/**
 * The paths that a layer is known by. PEFT alone sees the base model's own, Python's titans are adapted with their
 * wrappers in place; configs of both kinds are met, so either path will do.
 */
const pathsOf = (path: string): string[] => [...new Set([path, barePath(path)])];

/** Whether a path is meant by names, which are whole ends of it, or by one pattern, which is all of it. */
export function isMeant(path: string, wanted: readonly string[] | string): boolean {
  if (typeof wanted === "string") return pythonRegex(`^(?:${wanted})$`).test(path);
  return wanted.some((name) => path === name || path.endsWith(`.${name}`));
}

/** Chooses layers by patterns. @throws InputError when these take too long. */
export function choose<T>(work: () => T): T {
  const done = withinTime(work);
  if (done) return done.value;
  throw new InputError(
    "lora_config",
    "has a pattern that takes too long to match, as (a+)+$ does; write it without a repetition in a repetition, or list names",
  );
}

/** Whether a layer gets an update when the targets are these. */
export function isTarget(path: string, config: LoraConfig, targets: readonly string[] | string): boolean {
  const meant = (wanted: readonly string[] | string) => pathsOf(path).some((one) => isMeant(one, wanted));
  return (
    meant(targets) &&
    !meant(config.excludeModules ?? []) &&
    !isInSaved(path, config) &&
    isInLayers(path, config)
  );
}

/** Whether a layer is trained whole, by itself or with a module that it is part of. */
const isInSaved = (path: string, { modulesToSave }: LoraConfig): boolean =>
  modulesToSave.some((name) =>
    pathsOf(path).some((one) => pythonRegex(`^(?:|.*\\.)${name}(?:$|\\.)`).test(one)),
  );

/** Whether a layer lies in one of the blocks that are asked for: its block is the first number in its path. */
function isInLayers(path: string, { layersToTransform, layersPattern }: LoraConfig): boolean {
  if (layersToTransform === undefined) return true;
  const lists =
    layersPattern.length > 0 ? layersPattern.map((name) => `^(?:|.*?\\.)${name}`) : ["^.*?\\.[^.]*"];
  const found = lists.map((list) => pythonRegex(`${list}\\.(?<index>\\d+)\\.`).exec(path)?.groups?.index);
  return layersToTransform.includes(Number(found.find((index) => index !== undefined)));
}

/** The rank of a layer's update and the factor that it is scaled by. */
export function updateOf(path: string, config: LoraConfig): { r: number; scaling: number } {
  const r = patternFor(path, config.rankPattern) ?? config.r;
  const alpha = patternFor(path, config.alphaPattern) ?? config.loraAlpha;
  return { r, scaling: alpha / (config.useRslora ? Math.sqrt(r) : r) };
}

/** The number of the first pattern that matches the end of a path. */
function patternFor(path: string, numbers: Readonly<Record<string, number>>): number | undefined {
  const matches = (pattern: string) =>
    pathsOf(path).some((one) => pythonRegex(`^(?:.*\\.)?(?:${pattern})$`).test(one));
  return Object.entries(numbers).find(([pattern]) => matches(pattern))?.[1];
}

/**
 * Targets that mean the given layers in a tree with these paths: as they stand if that is so, else the paths.
 *
 * @param paths the layers with an update. @param rename their names in the other tree.
 */
export function targetsFor(
  targets: readonly string[] | string,
  paths: readonly string[],
  rename: (path: string) => string,
): readonly string[] | string {
  const renamed = paths.map(rename);
  const hold = targets === allLinear || choose(() => renamed.every((path) => isMeant(path, targets)));
  return hold ? targets : renamed;
}
