import type { JsonObject } from "../io/json-file.js";
import type { CausalLm } from "./causal-lm.js";

/** A backbone family: how its files become a model. One file of this folder declares one, registry.ts lists it. */
export interface Architecture {
  /** `model_type` values of config.json. */
  readonly modelTypes: readonly string[];
  /**
   * Builds the model, without weights, from a Hugging Face config.
   * @param where the config's file, for errors.
   * @throws InputError naming the field that is wrong or not supported.
   */
  build(config: JsonObject, where: string): CausalLm;
  /** How GGUF files of this family are read; absent when they are not. */
  readonly gguf?: GgufFamily;
}

/** A family's spelling in GGUF files. */
export interface GgufFamily {
  /** `general.architecture`. */
  readonly name: string;
  /** The Hugging Face config that the metadata stand for. @throws InputError naming the field. */
  config(metadata: GgufMetadata): JsonObject;
  /** The tensor of the file that holds a checkpoint parameter, and how its numbers are put back. */
  tensor(parameter: string): GgufTensor;
}

/** Where a parameter lies in a GGUF file. */
export interface GgufTensor {
  readonly name: string;
  /** Undoes what the converter did to the numbers, in place. */
  readonly restore?: (data: Float32Array, shape: readonly number[], metadata: GgufMetadata) => void;
}

/** The metadata of a GGUF file, read with checks. */
export interface GgufMetadata {
  /** A number of the family's own section (`attention.head_count` for `llama.attention.head_count`). */
  number(key: string): number;
  number(key: string, fallback: number): number;
  /** Whether the file has a tensor of this name. */
  hasTensor(name: string): boolean;
  /** Number of tokens in the vocabulary. */
  readonly vocabSize: number;
}
