import { isObject, type JsonObject } from "../../io/json-file.js";

/** How a card says that transformers loads a model; in Python's words. */
export interface PythonLoading {
  /** The class of transformers. */
  readonly auto_class: string;
  /** What `from_pretrained` is given for the base model. */
  readonly base_arguments: string;
  /** What it is given for a model in the card's own folder. */
  readonly own_arguments: string;
  /** Files of code that such a model needs and its folder lacks. */
  readonly missing_code: string;
}

/**
 * How transformers loads a base model, and what was merged into its form.
 *
 * @param config the fields of a titan's `config.json`, which name the base model.
 * @param baseId the base model's name on the hub, if it is there.
 * @param autoMap `auto_map` of the base model's config: the code of a family that transformers lacks.
 */
export function pythonLoading(
  config: JsonObject,
  baseId: string | undefined,
  isCausal: boolean,
  autoMap: unknown,
): PythonLoading {
  const code = isObject(autoMap) ? autoMap : undefined;
  const trust = code ? ["trust_remote_code=True"] : [];
  const named = (name: string, value: unknown) =>
    typeof value === "string" ? [`${name}=${JSON.stringify(value)}`] : [];
  const { base_model_revision: revision, base_model_subfolder: subfolder } = config;
  const inRepo = /\.gguf$/i.test(String(subfolder)) ? "gguf_file" : "subfolder";
  const ofBase = baseId === undefined ? [] : [...named("revision", revision), ...named(inRepo, subfolder)];
  const hasHead = code ? "AutoModelForCausalLM" in code : isCausal;
  return {
    auto_class: hasHead ? "AutoModelForCausalLM" : "AutoModel",
    base_arguments: [JSON.stringify(baseId ?? "path/of/the/base/model"), ...ofBase, ...trust].join(", "),
    own_arguments: ['"."', ...trust].join(", "),
    missing_code: baseId === undefined && code ? codeFiles(code).join(", ") : "",
  };
}

/**
 * `auto_map` for a model whose code stays with its base model: transformers finds it there (`org/name--module.Class`).
 * Code of a base model that is not on the hub keeps its name, and has to be put into the folder.
 */
export function autoMapOver(baseId: string | undefined, autoMap: JsonObject): JsonObject {
  if (baseId === undefined) return autoMap;
  const there = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(there);
    return typeof value === "string" && !value.includes("--") ? `${baseId}--${value}` : value;
  };
  return Object.fromEntries(Object.entries(autoMap).map(([name, value]) => [name, there(value)]));
}

/** `modeling_dream.DreamModel` -> `modeling_dream.py`, of what is not somewhere else. */
function codeFiles(autoMap: JsonObject): string[] {
  const names = Object.values(autoMap)
    .flat()
    .filter((value): value is string => typeof value === "string" && !value.includes("--"));
  return [...new Set(names.map((name) => `${name.split(".")[0]!}.py`))];
}
