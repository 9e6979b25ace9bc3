import { recoverFolder } from "./atomic-file.js";
import { isMissingFile, type JsonObject, readJsonFile, readJsonFileIfPresent } from "./json-file.js";
import { localAccess, type ModelAccess } from "./model-access.js";
import { pathInside } from "./model-folder.js";
import { Tokenizer } from "./tokenizer.js";
import { openSafetensors, type WeightSource } from "./weight-source.js";

/** What a model folder in Hugging Face form holds. */
export interface HfFolder {
  readonly path: string;
  /** `config.json`, as it is. */
  readonly config: JsonObject;
  /** `generation_config.json`, as it is. */
  readonly generationConfig: JsonObject | undefined;
  /** Open; whoever opened the folder closes it. */
  readonly weights: WeightSource;
}

/**
 * Opens a model folder in Hugging Face form: `config.json` and safetensors weights, and a generation config if there is
 * one.
 *
 * @throws InputError naming the file that is missing or wrong.
 */
export async function openHfFolder(path: string, access: ModelAccess = localAccess): Promise<HfFolder> {
  await recoverFolder(path);
  return {
    path,
    config: await readJsonFile(await pathInside(path, "config.json")),
    generationConfig: await readJsonFileIfPresent(await pathInside(path, "generation_config.json")),
    weights: await openSafetensors(path, access),
  };
}

/**
 * Reads the tokenizer of a model folder, if it has one.
 *
 * @throws InputError naming the file that is wrong.
 */
export async function readTokenizerIfPresent(
  path: string,
  access: ModelAccess = localAccess,
): Promise<Tokenizer | undefined> {
  await access.fetch("tokenizer");
  try {
    return await Tokenizer.fromFolder(path);
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}
