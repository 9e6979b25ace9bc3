import type { JsonObject } from "../io/json-file.js";
import type { Backbone } from "./backbone.js";
import type { GgufFamily } from "./gguf-model.js";

/** A backbone family: how its files become a model. One file of this folder declares one, registry.ts lists it. */
export interface Architecture<M extends Backbone = Backbone> {
  /** `model_type` values of config.json. */
  readonly modelTypes: readonly string[];
  /**
   * The path of the model without its head, as transformers calls it: files of the bare model leave it out of all names,
   * files of a model with another head put it before them.
   */
  readonly baseModelPrefix: string;
  /**
   * Builds the model, without weights, from a Hugging Face config.
   * @param where the config's file, for errors.
   * @param isStored whether the files have a parameter, for parts that one model has and another has not; all of them
   * unless given.
   * @throws InputError naming the field that is wrong or not supported.
   */
  build(config: JsonObject, where: string, isStored?: (parameter: string) => boolean): M;
  /** How older files spell a parameter's name; absent where they spell it the same. */
  formerName?(parameter: string): string;
  /** How GGUF files of this family are read; absent when they are not. */
  readonly gguf?: GgufFamily;
}
