import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InputError } from "../../errors.js";
import { recoverFolder, writeFileAtomic } from "../../io/atomic-file.js";
import type { HubObserver, ModelUse } from "../../io/hub/hub.js";
import { formatHubId, parseHubId } from "../../io/hub/hub-id.js";
import { hubIdOf, type ModelPlace } from "../../io/hub/locate-model.js";
import { type JsonObject, readJsonFileIfPresent, readTextFileIfPresent } from "../../io/json-file.js";
import { pathInside } from "../../io/model-folder.js";
import { exists, isFolder } from "../../io/path-kind.js";
import { type Checkpoint, openCheckpoint } from "../../models/checkpoint.js";
import { TpttConfig, type TpttConfigOptions } from "../config/config.js";
import { adapterFile, saveTpttSafetensors } from "./adapter-file.js";
import { licenseVariables } from "./card-variables.js";
import { generateModelCard } from "./model-card.js";
import { type TitanSnapshot, trainedByPath } from "./snapshot.js";

const configFile = "config.json";

/** What transformers runs for a titan in Python's operator form: the classes of the installed package. */
const pythonFiles = Object.entries({ configuration_tptt: "TpttConfig", modeling_tptt: "TpttModel" }).map(
  ([module, name]) => ({
    file: `${module}.py`,
    content: `# For from_pretrained(..., trust_remote_code=True): the package tptt (pip install tptt) holds the code.
from tptt.${module} import ${name}  # noqa: F401
`,
  }),
);

/**
 * Writes `config.json`, the trained weights, the tokenizer and a README; in Python's operator form also what
 * transformers needs to run it. The base model is not copied; the config names it. There is no `adapter_config.json`:
 * transformers would take the folder for a plain adapter (docs/decisions/0008-titan-folders.md). Every file appears
 * whole or not at all, the config last.
 */
export async function writeTitan(folder: string, titan: TitanSnapshot): Promise<void> {
  const { config, baseConfig, baseLicense, tokenizer } = titan;
  const tensors = trainedByPath(titan);
  await mkdir(folder, { recursive: true });
  const json = config.toJson(baseConfig);
  if (tensors.size > 0) {
    await saveTpttSafetensors(tensors, join(folder, adapterFile), config.loraConfig?.modulesToSave);
  }
  await tokenizer?.save(folder);
  await generateModelCard(folder, json, null, licenseVariables(baseLicense));
  if (config.operatorForm === "tptt-0.12") {
    for (const { file, content } of pythonFiles) await writeFileAtomic(join(folder, file), content);
  }
  await writeFileAtomic(join(folder, configFile), `${JSON.stringify(json, null, 2)}\n`);
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
  const where = await pathInside(path, configFile);
  const fields = await readJsonFileIfPresent(where);
  if (fields?.model_type !== "tptt") return undefined;
  // A field of ours: without it Python wrote the config.
  const python = "operator_form" in fields ? {} : await pythonFields(path, fields);
  return TpttConfig.parse({ ...fields, ...python }, where);
}

/** What Python's package means and does not say. It puts its sources beside each model, and they say which it was. */
async function pythonFields(folder: string, fields: JsonObject): Promise<JsonObject> {
  const sources = (await readTextFileIfPresent(await pathInside(folder, "modeling_tptt.py"))) ?? "";
  // Cut, not matched: a pattern would look for the end anew from every place that looks like the beginning.
  const [, pool = ""] = sources.split(/^class CausalAvgPool1d\b/m, 2);
  const [ofPool] = pool.split(/^class /m, 1);
  // Version 0.12.0 had the pool's offsets as an option, and looked ahead by default.
  const hasOffsets = /\boffsets\b/.test(ofPool!);
  const pooling_config =
    fields.pooling_config ?? (hasOffsets ? { offsets: [0, 1, 2], mode: "replicate" } : null);
  return { operator_form: "tptt-0.12", pooling_config };
}

/** The fields of a config that say which base model it is. */
export type BaseFields = Pick<
  TpttConfigOptions,
  "baseModelName" | "baseModelRevision" | "baseModelSubfolder"
>;

/**
 * Which base model it is: of a titan or an adapter as its config has it, or beside its folder, or on the hub; of what is
 * no titan, itself.
 *
 * @param saved the config of a titan or an adapter.
 * @throws InputError when there is nothing.
 */
export async function locateBase(
  saved: TpttConfig | undefined,
  { path: folder, hubId }: ModelPlace,
): Promise<BaseFields> {
  if (!saved) {
    if (!hubId) return { baseModelName: resolve(folder) };
    const { name, revision, subfolder } = hubId;
    return {
      baseModelName: name,
      baseModelRevision: revision,
      ...(subfolder === undefined ? {} : { baseModelSubfolder: subfolder }),
    };
  }
  const { baseModelName } = saved;
  for (const path of [baseModelName, join(folder, baseModelName)]) {
    if (await exists(path)) return { baseModelName: resolve(path), baseModelRevision: undefined };
  }
  if (parseHubId(baseModelName)) return { baseModelName };
  const isTitan = await exists(join(folder, configFile));
  const where = isTitan
    ? [configFile, "base_model_name"]
    : ["adapter_config.json", "base_model_name_or_path"];
  throw new InputError(
    join(folder, where.join(": ")),
    `is ${baseModelName}, which does not exist; put the base model there, or change the field to its path`,
  );
}

/**
 * The base model that a config names: its path, or its name on the hub.
 *
 * @throws InputError when its subfolder is a link that leads out of its folder.
 */
export async function baseModelOf(config: TpttConfig): Promise<string> {
  const { baseModelName, baseModelRevision, baseModelSubfolder, baseModelPath } = config;
  const hubId = await hubIdOf(baseModelName);
  if (hubId) {
    const { name, revision = baseModelRevision, subfolder = baseModelSubfolder } = hubId;
    return formatHubId({ name, revision, subfolder });
  }
  if (baseModelSubfolder !== undefined && (await exists(baseModelPath))) {
    await pathInside(baseModelName, baseModelSubfolder);
  }
  return baseModelPath;
}

/**
 * Opens the base model that a config names.
 *
 * @param use what it is opened for.
 * @throws InputError naming what is wrong with it, as {@link baseModelOf} and openCheckpoint.
 */
export async function openBaseModel(
  config: TpttConfig,
  observer?: HubObserver,
  use?: ModelUse,
): Promise<Checkpoint> {
  return openCheckpoint(await baseModelOf(config), observer, use);
}
