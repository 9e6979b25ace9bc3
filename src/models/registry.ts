import { InputError } from "../errors.js";
import { shown } from "../io/json-text.js";
import type { Architecture } from "./architecture.js";
import { bert } from "./bert.js";
import { dream } from "./dream.js";
import { gemma3Text } from "./gemma3_text.js";
import type { GgufFamily } from "./gguf-model.js";
import { gpt2 } from "./gpt2.js";
import { llama } from "./llama.js";
import { mistral } from "./mistral.js";
import { olmo } from "./olmo.js";
import { olmo2 } from "./olmo2.js";
import { olmoe } from "./olmoe.js";
import { openelm } from "./openelm.js";
import { qwen2 } from "./qwen2.js";
import { qwen3 } from "./qwen3.js";
import { vit } from "./vit.js";

/** Every backbone family that is known. */
export const architectures: readonly Architecture[] = [
  bert,
  dream,
  gemma3Text,
  gpt2,
  llama,
  mistral,
  olmo,
  olmo2,
  olmoe,
  openelm,
  qwen2,
  qwen3,
  vit,
];

/**
 * The family of a `model_type`.
 * @param where the config's file, for the error.
 * @throws InputError listing the known ones.
 */
export function architectureOf(modelType: unknown, where: string): Architecture {
  const found = architectures.find(({ modelTypes }) => modelTypes.some((name) => name === modelType));
  if (found) return found;
  const known = architectures.flatMap(({ modelTypes }) => modelTypes);
  throw unsupported(`${where}: model_type`, modelType, known);
}

/**
 * The family of a GGUF file's `general.architecture`.
 * @throws InputError listing the known ones.
 */
export function ggufArchitectureOf(name: string, where: string): GgufArchitecture {
  const found = architectures.find((a): a is GgufArchitecture => a.gguf?.name === name);
  if (found) return found;
  const known = architectures.flatMap(({ gguf }) => gguf?.name ?? []);
  throw unsupported(`${where}: general.architecture`, name, known);
}

type GgufArchitecture = Architecture & { readonly gguf: GgufFamily };

function unsupported(where: string, given: unknown, known: readonly string[]): InputError {
  return new InputError(
    where,
    `is ${shown(given)}, expected one of ${known.join(", ")}; take a model of one of these families`,
  );
}
