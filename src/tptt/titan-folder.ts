import { mkdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import { recoverFolder, writeFileAtomic } from "../io/atomic-file.js";
import { type JsonObject, readJsonFile } from "../io/json-file.js";
import type { Tokenizer } from "../io/tokenizer.js";
import { adapterFile, saveTpttSafetensors } from "./adapter-file.js";
import { TpttConfig } from "./config.js";
import { modelCard } from "./model-card.js";

const configFile = "config.json";

/** What a titan's folder holds. */
export interface TitanFiles {
  readonly config: TpttConfig;
  /** The base model's config in Hugging Face's form. */
  readonly baseConfig: JsonObject;
  /** The trained weights by their paths in the model. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly tokenizer: Tokenizer | undefined;
}

/**
 * Writes `config.json`, the trained weights, the tokenizer, PEFT's adapter config and a README. The base model is not
 * copied; the config names it. Every file appears whole or not at all, the config last.
 */
export async function writeTitan(
  folder: string,
  { config, baseConfig, tensors, tokenizer }: TitanFiles,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const json = config.toJson(baseConfig);
  const write = (file: string, content: JsonObject) =>
    writeFileAtomic(join(folder, file), `${JSON.stringify(content, null, 2)}\n`);
  if (tensors.size > 0) await saveTpttSafetensors(tensors, join(folder, adapterFile));
  await tokenizer?.save(folder);
  if (json.lora_config) {
    const lora = json.lora_config as JsonObject;
    await write("adapter_config.json", { ...lora, base_model_name_or_path: json.base_model_name });
  }
  await writeFileAtomic(join(folder, "README.md"), modelCard(config));
  await write(configFile, json);
}

/**
 * Reads the config of a titan's folder.
 *
 * @returns undefined when the path is a base model.
 * @throws InputError naming the field that is wrong.
 */
export async function readTitanConfig(path: string): Promise<TpttConfig | undefined> {
  await recoverFolder(path);
  if (!(await isFolder(path))) return undefined;
  const where = join(path, configFile);
  const fields = await readJsonFile(where);
  if (fields.model_type !== "tptt") return undefined;
  if (!("operator_form" in fields)) {
    throw new InputError(
      `${where}: operator_form`,
      "is missing: Python wrote this titan, and its operator is not supported yet",
    );
  }
  return TpttConfig.parse(fields, where);
}

/**
 * The path of a titan's base model: as the config has it, or beside the titan.
 *
 * @throws InputError when there is nothing.
 */
export async function locateBase({ baseModelName }: TpttConfig, folder: string): Promise<string> {
  for (const path of [baseModelName, join(folder, baseModelName)]) {
    if (await exists(path)) return resolve(path);
  }
  throw new InputError(
    `${join(folder, configFile)}: base_model_name`,
    `is ${baseModelName}, which does not exist; put the base model there, or change the field to its path`,
  );
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
