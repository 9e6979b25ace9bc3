import { readTokenizerIfPresent } from "../io/hf-folder.js";
import type { HubObserver } from "../io/hub/hub.js";
import { locateModel } from "../io/hub/locate-model.js";
import { readJsonFile } from "../io/json-file.js";
import { pathInside } from "../io/model-folder.js";
import { isFolder } from "../io/path-kind.js";
import type { Tokenizer } from "../io/tokenizer.js";
import { openGgufFile } from "./checkpoint.js";
import { architectureOf } from "./registry.js";

/** What texts are to a model. */
export interface TextFormat {
  /** Undefined when there is none beside the model. */
  readonly tokenizer: Tokenizer | undefined;
  /** The most tokens that the model reads. */
  readonly longest: number;
}

/**
 * Reads a base model's tokenizer and config: of a folder nothing else, of a GGUF file its header.
 *
 * @throws InputError naming the file and the field that is missing, wrong or not supported.
 */
export async function readTextFormat(name: string, observer?: HubObserver): Promise<TextFormat> {
  const { path, access } = await locateModel(name, observer, "look");
  if (await isFolder(path)) {
    const where = await pathInside(path, "config.json");
    const config = await readJsonFile(where);
    const model = architectureOf(config.model_type, where).build(config, where);
    return {
      tokenizer: await readTokenizerIfPresent(path, access),
      longest: model.config.maxPositionEmbeddings,
    };
  }
  const checkpoint = await openGgufFile(path, access);
  try {
    return {
      tokenizer: await checkpoint.tokenizer(),
      longest: checkpoint.model.config.maxPositionEmbeddings,
    };
  } finally {
    await checkpoint.close();
  }
}
