import type { Parameter, Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import { isMissingFile } from "../io/json-file.js";
import { writeSafetensors } from "../io/safetensors.js";
import { openSafetensors } from "../io/weight-source.js";

/** The file of a titan's trained weights, inside its folder. */
export const adapterFile = "adapter_model.safetensors";

/**
 * Writes trained weights as Python does: named by the whole model without its wrappers. With LoRA the model lies one
 * level down, in PEFT's, and the matrices belong to its adapter `default`.
 *
 * @param tensors by their paths in the model. @param path the file.
 */
export async function saveTpttSafetensors(tensors: ReadonlyMap<string, Tensor>, path: string): Promise<void> {
  const root = [...tensors.keys()].some(isLora) ? "model." : "";
  const fileName = (name: string) =>
    root + (isLora(name) ? name.replace(/\.weight$/, ".default.weight") : name);
  await writeSafetensors(path, new Map([...tensors].map(([name, tensor]) => [fileName(name), tensor])));
}

/**
 * Reads trained weights that we or Python wrote, with or without its wrappers' names.
 *
 * @returns a tensor for each of the parameters, by name.
 * @throws InputError naming the tensor that is missing, unknown or of another shape.
 */
export async function loadTpttSafetensors(
  path: string,
  parameters: readonly Parameter[],
): Promise<Map<string, Tensor>> {
  const source = await openSafetensors(path);
  try {
    const stored = new Map([...source.tensors.keys()].map((name) => [canonical(name), name]));
    const tensors = new Map<string, Tensor>();
    for (const { name, shape } of parameters) {
      const found = stored.get(canonical(name));
      if (found === undefined) {
        throw new InputError(
          `${path}: tensor ${name}`,
          "is missing; the file belongs to another configuration",
        );
      }
      stored.delete(canonical(name));
      const tensor = await source.read(found);
      if (String(tensor.shape) !== String(shape)) {
        throw new InputError(
          `${path}: tensor ${found}`,
          `is [${tensor.shape}], the configuration asks for [${shape}]; check lora_config`,
        );
      }
      tensors.set(name, tensor);
    }
    for (const name of stored.values()) {
      throw new InputError(
        `${path}: tensor ${name}`,
        "is not a trained weight of this configuration; check lora_config",
      );
    }
    return tensors;
  } finally {
    await source.close();
  }
}

/** Names of the base model's own parameters that a file of trained weights holds: none without such a file. */
export async function trainedBaseParameters(path: string): Promise<string[]> {
  const source = await openSafetensors(path).catch((error: unknown) => {
    if (isMissingFile(error)) return undefined;
    throw error;
  });
  if (!source) return [];
  const names = [...source.tensors.keys()].map(unwrapped);
  await source.close();
  const root = names.some(isLora) ? /^model\./ : "";
  return names.filter((name) => !isLora(name)).map((name) => name.replace(root, ""));
}

const isLora = (name: string): boolean => /\.lora_[AB]\.(?:default\.)?weight$/.test(name);

/** A name without what Python and LiZA wrap around the module that it belongs to. */
const unwrapped = (name: string): string =>
  name.replace(/^(?:tptt_model\.|base_model\.)+/, "").replace(".base_attn.", ".");

/** What is left of a name whatever it is wrapped in. */
const canonical = (name: string): string =>
  unwrapped(name)
    .replace(/^(?:model\.)+/, "")
    .replace(/\.default\.weight$/, ".weight");
