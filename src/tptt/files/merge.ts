import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Params, Tensor } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { writeFileAtomic } from "../../io/atomic-file.js";
import { isObject, type JsonObject, readTextFileIfPresent } from "../../io/json-file.js";
import { pathInside } from "../../io/model-folder.js";
import { isFolder } from "../../io/path-kind.js";
import { type LazyTensor, streamSafetensors } from "../../io/safetensors.js";
import type { TitanParts } from "../graphs/titan-parts.js";
import { hubNameOf } from "./card-variables.js";
import { writeDerivedCard } from "./derived-card.js";
import { autoMapOver } from "./python-loading.js";
import type { TitanSnapshot } from "./snapshot.js";

/**
 * Writes a model in Hugging Face form, f32, with what was trained in its weights: W + scaling * B A. Memories have no
 * place in it. At most two tensors are in memory at a time; the config comes last.
 *
 * @throws InputError when the base model's weights are rounded.
 */
export async function writeMerged(folder: string, titan: TitanSnapshot): Promise<void> {
  const { config, parts, params, basePath, baseConfig, tokenizer } = titan;
  const { quantized, dtype } = parts.frozen;
  if (quantized || dtype !== "f32") {
    const [option, instead] = quantized ? ["quantize", "without it"] : ["dtype", "in f32"];
    throw new InputError(
      option,
      `was given: the base model's weights are rounded; open the titan ${instead} to merge`,
    );
  }
  await mkdir(folder, { recursive: true });
  await writeDerivedCard(folder, "merged", titan);
  await streamSafetensors(join(folder, "model.safetensors"), mergedTensors(parts, params));
  await tokenizer?.save(folder);
  const generation = (await isFolder(basePath))
    ? await readTextFileIfPresent(await pathInside(basePath, "generation_config.json"))
    : undefined;
  if (generation !== undefined) await writeFileAtomic(join(folder, "generation_config.json"), generation);
  const { auto_map } = baseConfig;
  const fields = {
    ...inF32(baseConfig),
    ...(isObject(auto_map) ? { auto_map: autoMapOver(hubNameOf(config.baseModelName), auto_map) } : {}),
  };
  await writeFileAtomic(join(folder, "config.json"), `${JSON.stringify(fields, null, 2)}\n`);
}

/** The config says what the weights are stored as, under the name that its writer knew. */
function inF32(config: JsonObject): JsonObject {
  const given = ["dtype", "torch_dtype"].filter((name) => name in config);
  return {
    ...config,
    ...Object.fromEntries((given.length > 0 ? given : ["dtype"]).map((name) => [name, "float32"])),
  };
}

/** The base model's parameters with the updates in them, by name. */
function mergedTensors({ base, lora, frozen }: TitanParts, params: Params): Map<string, LazyTensor> {
  const updates = new Map(lora.map((layer) => [layer.weight, layer]));
  const tensors = new Map<string, LazyTensor>();
  for (const [, parameter] of base.namedParameters()) {
    const { name, dtype, shape } = parameter;
    if (!frozen.has(name)) continue;
    const read = async (): Promise<Tensor> => {
      const weight = params[name] ?? (await frozen.read(name));
      const layer = updates.get(parameter);
      return layer
        ? layer.merge(weight, params[layer.lora_A.weight.name]!, params[layer.lora_B.weight.name]!)
        : weight;
    };
    tensors.set(name, { dtype, shape, read });
  }
  return tensors;
}
