import type { Parameter, Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import { writeSafetensors } from "../io/safetensors.js";
import { openSafetensors } from "../io/weight-source.js";

/** The file of a titan's trained weights, inside its folder. */
export const adapterFile = "adapter_model.safetensors";

/**
 * Writes trained weights as Python does: named by the whole model without its wrappers, LoRA matrices as PEFT's
 * adapter `default`.
 *
 * @param path the file.
 */
export async function saveTpttSafetensors(tensors: ReadonlyMap<string, Tensor>, path: string): Promise<void> {
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
      const key = canonical(name);
      const found = stored.get(key);
      if (found === undefined) {
        throw new InputError(
          `${path}: tensor ${fileName(name)}`,
          "is missing; the adapter belongs to another configuration",
        );
      }
      stored.delete(key);
      const tensor = await source.read(found);
      if (String(tensor.shape) !== String(shape)) {
        throw new InputError(
          `${path}: tensor ${found}`,
          `is [${tensor.shape}], the configuration asks for [${shape}]`,
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

const isLora = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/** PEFT puts the model one level down, and names its adapter. */
const fileName = (name: string): string =>
  isLora(name) ? `model.${name.replace(/\.weight$/, ".default.weight")}` : name;

/** What is left of a name when every wrapper's part is taken away. */
const canonical = (name: string): string =>
  name
    .replace(/^(?:tptt_model\.|base_model\.)+/, "")
    .replace(/^(?:model\.)+/, "")
    .replace(".base_attn.", ".")
    .replace(/\.default\.weight$/, ".weight");
