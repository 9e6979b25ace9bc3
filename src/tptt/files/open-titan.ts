import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { type Device, type FrozenWeights, fasterProductType, type ProductType } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import type { HubObserver } from "../../io/hub/hub.js";
import { locateModel } from "../../io/hub/locate-model.js";
import type { JsonObject } from "../../io/json-file.js";
import type { License } from "../../io/license.js";
import { pathInside } from "../../io/model-folder.js";
import type { Tokenizer } from "../../io/tokenizer.js";
import type { Backbone } from "../../models/backbone.js";
import { type Quantization, quantizations } from "../../models/quantization.js";
import { TpttConfig, type TpttConfigOptions } from "../config/config.js";
import type { SharedBase } from "../graphs/shared-base.js";
import { adapterFile, type TrainedNames, trainedNames } from "./adapter-file.js";
import { readPeftConfig } from "./peft-adapter.js";
import { locateBase, openBaseModel, readTitanConfig } from "./titan-folder.js";

/** The types that {@link FromPretrainedOptions.dtype} knows. */
export const dtypes = ["auto", "f32", "f16"] as const satisfies readonly (ProductType | "auto")[];

/** Options of TpttModel.fromPretrained: those of {@link TpttConfig}, and how the model is put up. */
export interface FromPretrainedOptions extends TpttConfigOptions {
  /** Seed of the first LoRA weights; default 0. */
  readonly seed?: number;
  /** Where the model's graphs run; default cpu. */
  readonly device?: Device;
  /**
   * The type in which products with the base model's matrices are computed, and these are held, unless they are quantised.
   * `"auto"` (the default) is f16 where the device multiplies faster in it, which is measured; the processor does not. All
   * between the products is f32, and so is what is trained; a titan that is saved does not remember it.
   */
  readonly dtype?: (typeof dtypes)[number];
  /**
   * Parts of the names of base parameters that are trained themselves, from their pretrained values: full fine-tuning,
   * in place of LoRA. None by default.
   */
  readonly trainableParameters?: readonly string[];
  /**
   * How the base model's linear layers and embeddings are held: `"none"` (the default) as `dtype` says; `"gguf"` in the blocks
   * that a GGUF file has them in, or the nearest of 8 bits where those have offsets; `"int8"` or `"int4"` rounded, the
   * latter but for the embeddings of the vocabulary, values and what leads out of an MLP, which get 8 bits. What is trained
   * stays f32; a titan that is saved does not remember it.
   */
  readonly quantize?: Quantization;
  /** Told of downloads, when the model or its base model is one of the hub. */
  readonly hubObserver?: HubObserver;
}

/** What a titan is made from. */
export interface TpttModelParts {
  readonly config: TpttConfig;
  /** The base model's config in Hugging Face's form. */
  readonly baseConfig: JsonObject;
  /** The license that the base model's files name; the model card repeats it. */
  readonly baseLicense?: License | undefined;
  /** The base model, its parameters named. The titan takes it over. */
  readonly base: Backbone;
  /** Where the base model's files are; default: where the config says. */
  readonly basePath?: string;
  /** The base model's weights. */
  readonly frozen: FrozenWeights;
  readonly tokenizer?: Tokenizer | undefined;
  /** Tokens that end a text. */
  readonly eosTokenIds?: readonly number[];
  /** Parts of the names of base parameters that are trained themselves; none by default. */
  readonly trainableParameters?: readonly string[];
  /** Where the model's graphs run; default cpu. */
  readonly device?: Device;
}

/** A titan on disk, opened. */
export interface OpenedTitan {
  readonly parts: TpttModelParts;
  /** The file of its trained weights; undefined when there are none yet. */
  readonly trained: string | undefined;
}

/**
 * Reads the config of a saved titan, or of a PEFT adapter as a titan whose memories are left out.
 *
 * @returns undefined when the path is a base model.
 * @throws InputError naming the field that is wrong.
 */
export async function readSavedConfig(name: string, observer?: HubObserver): Promise<TpttConfig | undefined> {
  const { path } = await locateModel(name, observer);
  return (await readTitanConfig(path)) ?? (await readPeftConfig(path));
}

/**
 * Opens a base model, a saved titan or a PEFT adapter, with the base model that it belongs to.
 *
 * @param loaded the base model, when it is in use already: then it is not loaded again.
 * @throws InputError naming the file and field, or the option, that is wrong; also when the base model is not the one
 * that is loaded.
 */
export async function openTitan(
  name: string,
  { trainableParameters, hubObserver, ...given }: FromPretrainedOptions,
  loaded?: SharedBase,
): Promise<OpenedTitan> {
  const { quantize = "none", dtype = "auto", device = "cpu", ...options } = given;
  requireOneOf("quantize", quantize, quantizations);
  requireOneOf("dtype", dtype, dtypes);
  const place = await locateModel(name, hubObserver);
  const { path } = place;
  const saved = await readSavedConfig(path);
  if (!saved && loaded) {
    throw new InputError(
      name,
      "is no folder of a saved titan or of an adapter, which alone can share a base model",
    );
  }
  const base = await locateBase(saved, place);
  const open = { name, quantize, dtype, device, hubObserver, loaded };
  if (!saved) {
    const config = TpttConfig.from({ ...options, ...base });
    if (trainableParameters && config.loraConfig) {
      throw new InputError(
        "trainable",
        "is given beside LoRA; name whole modules in its modules_to_save, or leave LoRA out",
      );
    }
    return { parts: await openBase(config, open, trainableParameters), trained: undefined };
  }
  if (trainableParameters) {
    throw new InputError("trainable", `is given, but ${path} trains what it was made to train; leave it out`);
  }
  const trained = await pathInside(path, adapterFile);
  const names = await trainedNames(trained);
  if (names.parameters.length > 0 && options.loraConfig && !saved.loraConfig) {
    throw new InputError(
      "lora_r",
      `is given, but ${path} was trained in full; go on without LoRA, or merge it first`,
    );
  }
  const config = withTargets(saved.with({ ...memoriesOf(saved, options), ...options, ...base }), names);
  if (!config.loraConfig && names.updated.length > 0) {
    throw new InputError(
      `${join(path, "config.json")}: lora_config`,
      `is missing, but ${adapterFile} holds low-rank updates; put the config back that they were trained with`,
    );
  }
  const parts = await openBase(config, open, config.loraConfig ? undefined : names.parameters);
  // The base model's tokenizer is the same; the template may be one that the titan was trained with.
  await parts.tokenizer?.useChatTemplateOf(path);
  return { parts, trained };
}

/** A memory that was left out comes back when its operator is named. */
const memoriesOf = (saved: TpttConfig, options: TpttConfigOptions): TpttConfigOptions =>
  (["operatorMode", "order", "alphaGate", "betaGate", "linear", "trick"] as const).some(
    (name) => options[name] !== undefined,
  )
    ? { disableLinearAttn: false }
    : { disableLinearAttn: saved.disableLinearAttn };

/** Without targets PEFT has defaults of its own for every family: the file knows which layers they were. */
const withTargets = (config: TpttConfig, { updated }: TrainedNames): TpttConfig =>
  config.loraConfig && config.loraConfig.targetModules === undefined && updated.length > 0
    ? config.with({ loraConfig: { targetModules: updated } })
    : config;

interface BaseOptions extends Required<Pick<FromPretrainedOptions, "quantize" | "dtype" | "device">> {
  /** What is opened over it, for errors. */
  readonly name: string;
  readonly hubObserver: HubObserver | undefined;
  /** The base model, when it is in use already. */
  readonly loaded?: SharedBase | undefined;
}

async function openBase(
  config: TpttConfig,
  { name, quantize, dtype, device, hubObserver, loaded }: BaseOptions,
  trainableParameters: readonly string[] = [],
): Promise<TpttModelParts> {
  const trained = trainableParameters.length > 0;
  for (const [option, value] of Object.entries({ quantize, dtype })) {
    if (!trained || !["int8", "int4", "f16"].includes(value)) continue;
    throw new InputError(
      option,
      `is ${value}, but parameters of the base model are trained, from their full values; leave it out, or train LoRA`,
    );
  }
  const checkpoint = await openBaseModel(config, hubObserver);
  try {
    const { config: baseConfig, model: base, path: basePath, eosTokenIds, license: baseLicense } = checkpoint;
    requireSome(trainableParameters, base);
    const tokenizer = await checkpoint.tokenizer();
    if (loaded) await requireSameBase(name, basePath, loaded);
    const fastest = async () => (trained || quantize !== "none" ? "f32" : await fasterProductType(device));
    const load = async () => checkpoint.load(quantize, dtype === "auto" ? await fastest() : dtype);
    const frozen = loaded ? loaded.frozen : await load();
    return {
      config,
      baseConfig,
      baseLicense,
      base,
      basePath,
      frozen,
      tokenizer,
      eosTokenIds,
      trainableParameters,
      device,
    };
  } finally {
    await checkpoint.close();
  }
}

/** @throws InputError when an option has none of the values that it can have. */
function requireOneOf(option: string, value: string, values: readonly string[]): void {
  if (!values.includes(value))
    throw new InputError(option, `is ${value}, expected one of ${values.join(", ")}`);
}

/** @throws InputError when a titan's base model is another than the one that is loaded. */
async function requireSameBase(name: string, basePath: string, loaded: SharedBase): Promise<void> {
  const [own, other] = await Promise.all([basePath, loaded.path].map((path) => realpath(path)));
  if (own === other) return;
  throw new InputError(
    `${name}: base_model_name`,
    `is ${basePath}, but the model in use is over ${loaded.path}; titans that share a base must be of the same one`,
  );
}

/** @throws InputError when no parameter has one of the names in its own. */
function requireSome(names: readonly string[], base: Backbone): void {
  const known = [...base.namedParameters()].map(([name]) => name);
  if (names.length === 0 || known.some((parameter) => names.some((name) => parameter.includes(name)))) return;
  throw new InputError(
    "trainable",
    `names ${names.join(", ")}, which is part of no parameter's name; there are ${known.slice(0, 12).join(", ")} ...`,
  );
}
