import type { Parameter, Params, Tensor } from "../../engine/index.js";
import type { JsonObject } from "../../io/json-file.js";
import type { License } from "../../io/license.js";
import type { Tokenizer } from "../../io/tokenizer.js";
import type { TpttConfig } from "../config/config.js";
import type { TitanParts } from "../graphs/titan-parts.js";

/** A titan as it is at one moment: all that its files are written from. */
export interface TitanSnapshot {
  readonly config: TpttConfig;
  /** The base model's config in Hugging Face's form. */
  readonly baseConfig: JsonObject;
  /** The license that the base model's files name. */
  readonly baseLicense: License | undefined;
  /** The base model's folder or GGUF file. */
  readonly basePath: string;
  readonly tokenizer: Tokenizer | undefined;
  readonly parts: TitanParts;
  /** What was trained. */
  readonly trainable: readonly Parameter[];
  /** The trained weights by name. */
  readonly params: Params;
  /** The folder of the saved titan or adapter that the trained weights are those of, if they are any's. */
  readonly loadedFrom: string | undefined;
}

/** The trained weights by their paths in the model. */
export function trainedByPath({ parts, trainable, params }: TitanSnapshot): Map<string, Tensor> {
  const paths = new Map([...parts.base.namedParameters()].map(([path, parameter]) => [parameter, path]));
  return new Map(trainable.map((parameter) => [paths.get(parameter)!, params[parameter.name]!]));
}
