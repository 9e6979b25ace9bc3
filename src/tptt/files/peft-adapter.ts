import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import { writeFileAtomic } from "../../io/atomic-file.js";
import { type JsonObject, readJsonFileIfPresent } from "../../io/json-file.js";
import { shown } from "../../io/json-text.js";
import { pathInside } from "../../io/model-folder.js";
import { isFolder } from "../../io/path-kind.js";
import { writeSafetensors } from "../../io/safetensors.js";
import { parseWith } from "../../io/validate.js";
import { LoraLinear } from "../../nn/lora.js";
import { TpttConfig } from "../config/config.js";
import { loraSchema } from "../config/lora-config.js";
import { barePath, targetsFor } from "../config/lora-targets.js";
import { adapterFile, isGate } from "./adapter-file.js";
import { writeDerivedCard } from "./derived-card.js";
import { type TitanSnapshot, trainedByPath } from "./snapshot.js";

/** PEFT's config, inside an adapter's folder. */
const configFile = "adapter_config.json";

/**
 * Reads the config of a PEFT adapter as that of a titan whose memories are left out.
 *
 * @returns undefined when the path is no adapter's folder.
 * @throws InputError naming the field that is wrong or cannot be honoured.
 */
export async function readPeftConfig(path: string): Promise<TpttConfig | undefined> {
  if (!(await isFolder(path))) return undefined;
  const where = await pathInside(path, configFile);
  const fields = await readJsonFileIfPresent(where);
  if (!fields) return undefined;
  const { base_model_name_or_path: base, revision, ...lora } = fields;
  parseWith(loraSchema, lora, where);
  if (typeof base !== "string" || base === "") {
    throw new InputError(
      `${where}: base_model_name_or_path`,
      `is ${shown(base)}, expected the path of the base model; write it there`,
    );
  }
  const task = lora.task_type === "FEATURE_EXTRACTION" ? { model_task: "feature_extraction" } : {};
  return TpttConfig.parse(
    {
      base_model_name: base,
      ...(typeof revision === "string" ? { base_model_revision: revision } : {}),
      lora_config: lora,
      disable_linear_attn: true,
      ...task,
    },
    where,
  );
}

/**
 * Writes an adapter that `peft.PeftModel.from_pretrained` loads over the plain base model: its config, its weights
 * under PEFT's names, and a card unless there is a README.
 *
 * @throws InputError when there is no LoRA.
 */
export async function writePeftAdapter(folder: string, titan: TitanSnapshot): Promise<void> {
  const { config, baseConfig, parts } = titan;
  const lora = config.toJson(baseConfig).lora_config as JsonObject | null;
  if (!lora || !config.loraConfig?.targetModules) {
    throw new InputError(
      "lora_config",
      "is not set: without LoRA there is no adapter; merge the model instead",
    );
  }
  const tensors = trainedByPath(titan);
  const gate = [...tensors.keys()].find(isGate);
  if (gate !== undefined) {
    throw new InputError(
      "mag_mode",
      `is dynamic: an adapter of the plain base model has no place for ${gate}`,
    );
  }
  await mkdir(folder, { recursive: true });
  const named = [...tensors].map(([path, tensor]) => [`base_model.model.${barePath(path)}`, tensor] as const);
  await writeSafetensors(join(folder, adapterFile), new Map(named));
  await writeDerivedCard(folder, "adapter", titan);
  const updated = [...parts.base.namedModules()].filter(([, module]) => module instanceof LoraLinear);
  const fields = {
    ...lora,
    base_model_name_or_path: config.baseModelPath,
    ...(config.baseModelRevision === undefined ? {} : { revision: config.baseModelRevision }),
    inference_mode: true,
    target_modules: targetsFor(
      config.loraConfig.targetModules,
      updated.map(([path]) => path),
      barePath,
    ),
  };
  await writeFileAtomic(join(folder, configFile), `${JSON.stringify(fields, null, 2)}\n`);
}
