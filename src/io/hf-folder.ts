import { recoverFolder } from "./atomic-file.js";
import { isMissingFile, type JsonObject, readJsonFile, readJsonFileIfPresent } from "./json-file.js";
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
  readonly tokenizer: Tokenizer | undefined;
  /** Open; whoever opened the folder closes it. */
  readonly weights: WeightSource;
}

/**
 * Opens a model folder in Hugging Face form: `config.json` and safetensors weights, and a tokenizer and a generation
 * config if there are any.
 *
 * @throws InputError naming the file that is missing or wrong.
 */
export async function openHfFolder(path: string): Promise<HfFolder> {
  await recoverFolder(path);
  return {
    path,
    config: await readJsonFile(await pathInside(path, "config.json")),
    generationConfig: await readJsonFileIfPresent(await pathInside(path, "generation_config.json")),
    tokenizer: await readTokenizerIfPresent(path),
    weights: await openSafetensors(path),
  };
}

async function readTokenizerIfPresent(path: string): Promise<Tokenizer | undefined> {
  try {
    return await Tokenizer.fromFolder(path);
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}
