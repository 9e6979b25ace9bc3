import { type Parameter, sameShape, type Tensor } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { isMissingFile } from "../../io/json-file.js";
import { writeSafetensors } from "../../io/safetensors.js";
import { openSafetensors } from "../../io/weight-source.js";
import { barePath } from "../config/lora-targets.js";

/** The file of a titan's trained weights, inside its folder. */
export const adapterFile = "adapter_model.safetensors";

/**
 * Writes trained weights as Python's `save_tptt_safetensors` does: named by the whole model without its wrappers. With
 * LoRA the model lies one level down, in PEFT's, and the matrices, like the modules that are trained whole, belong to
 * its adapter `default`.
 *
 * @param tensors by their paths in the model. @param path the file.
 * @param modulesToSave ends of the paths of the modules that are trained whole beside LoRA.
 */
export async function saveTpttSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  path: string,
  modulesToSave: readonly string[] = [],
): Promise<void> {
  const root = [...tensors.keys()].some(isLora) ? "model." : "";
  const fileName = (name: string) => {
    if (isLora(name)) return root + name.replace(/\.weight$/, ".default.weight");
    const end = moduleEnd(name, modulesToSave);
    return (
      root + (end === undefined ? name : `${name.slice(0, end)}.modules_to_save.default${name.slice(end)}`)
    );
  };
  await writeSafetensors(path, new Map([...tensors].map(([name, tensor]) => [fileName(name), tensor])));
}

/** Where the path of the outermost module that was saved whole ends in a parameter's name. */
function moduleEnd(name: string, modulesToSave: readonly string[]): number | undefined {
  const ends = [...name.matchAll(/\./g)].map(({ index }) => index);
  return ends.find((end) => modulesToSave.some((module) => barePath(name.slice(0, end)).endsWith(module)));
}

/**
 * Python's `load_tptt_safetensors`: reads trained weights that we or Python wrote, with or without its wrappers' names.
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
      if (!sameShape(tensor.shape, shape)) {
        throw new InputError(
          `${path}: tensor ${found}`,
          `is [${tensor.shape}], the configuration asks for [${shape}]; check lora_config`,
        );
      }
      if (tensor.dtype !== "f32") {
        throw new InputError(
          `${path}: tensor ${found}`,
          `is ${tensor.dtype}, expected floating point; save it as F32`,
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

/** What a file of trained weights holds, by the names of the base model. */
export interface TrainedNames {
  /** The base model's own parameters. */
  readonly parameters: readonly string[];
  /** The layers that have a low-rank update. */
  readonly updated: readonly string[];
}

/** Reads what a file of trained weights holds: nothing where there is none. */
export async function trainedNames(path: string): Promise<TrainedNames> {
  const source = await openSafetensors(path).catch((error: unknown) => {
    if (isMissingFile(error)) return undefined;
    throw error;
  });
  if (!source) return { parameters: [], updated: [] };
  const names = [...source.tensors.keys()].map(unwrapped);
  await source.close();
  const root = names.some(isLora) ? /^model\./ : "";
  const [lora, base] = [names.filter(isLora), names.filter((name) => !isLora(name) && !isGate(name))];
  return {
    parameters: base.map((name) => name.replace(root, "")),
    updated: [...new Set(lora.map((name) => name.replace(root, "").replace(loraEnd, "")))],
  };
}

const loraEnd = /\.lora_[AB]\.(?:default\.)?weight$/;
const isLora = (name: string): boolean => loraEnd.test(name);

/** Whether a weight belongs to a learned gate, which the base model does not have. */
export const isGate = (name: string): boolean => name.includes(".memory_gate.");

/** A name without what Python and LiZA wrap around the module that it belongs to. */
const unwrapped = (name: string): string => barePath(name.replace(/^(?:tptt_model\.|base_model\.)+/, ""));

/** What is left of a name whatever it is wrapped in. */
const canonical = (name: string): string =>
  unwrapped(name)
    .replace(/^(?:model\.)+/, "")
    .replace(/\.modules_to_save\.(?:default\.)?/, ".")
    .replace(/\.default\.weight$/, ".weight");
