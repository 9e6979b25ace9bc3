import { InputError } from "../errors.js";
import { isObject, type JsonObject } from "../io/json-file.js";
import { shown } from "../io/json-text.js";
import { trainingOptions } from "../train/arguments.js";
import { nearest } from "./nearest.js";

/*
 * The experiments file of the Python project (configs/titanesque_config.yaml): sections of defaults, LoRA, training,
 * models and variants. It describes a grid of runs; `tptt train` makes one of them.
 */

/** What becomes of a key: options of `tptt train`, or the reason why it changes nothing. */
type Meaning = JsonObject | string;
type Keys = Readonly<Record<string, (value: unknown, where: string, section: JsonObject) => Meaning>>;

const as =
  (option: string) =>
  (value: unknown): Meaning => ({ [option]: value });

/** A value that stands for the default. */
const orAuto =
  (option: string) =>
  (value: unknown): Meaning =>
    value === "auto" ? {} : { [option]: value };

/** Refuses all values but those that are what happens anyway. */
const only =
  (allowed: readonly unknown[], reason: string) =>
  (value: unknown, where: string): Meaning => {
    if (allowed.includes(value)) return {};
    throw new InputError(where, `is ${shown(value)}, expected ${JSON.stringify(allowed[0])}: ${reason}`);
  };

const unused =
  (reason: string) =>
  (value: unknown): Meaning =>
    value === false || value === null ? {} : reason;

const byDtype = unused("is not used: --dtype says what products are computed in");

/** A list of what a run takes one of. */
const oneOf =
  (option: string) =>
  (value: unknown): Meaning => {
    if (!Array.isArray(value)) return { [option]: value };
    if (value.length === 1) return { [option]: value[0] };
    return `lists ${value.length}, of which a run takes one; give it with --${option.replaceAll("_", "-")}`;
  };

const loraKeys: Keys = {
  r: as("lora_r"),
  lora_alpha: as("lora_alpha"),
  lora_dropout: as("lora_dropout"),
  target_modules: orAuto("lora_target_modules"),
};

const reports: readonly unknown[] = trainingOptions.report_to.unwrap().options;

const trainingKeys: Keys = {
  epochs: as("epochs"),
  learning_rate: as("learning_rate"),
  weight_decay: as("weight_decay"),
  gradient_accumulation_steps: as("gradient_accumulation_steps"),
  max_grad_norm: as("max_grad_norm"),
  logging_steps: as("logging_steps"),
  save_steps: as("save_steps"),
  save_total_limit: unused("is not used: no checkpoint is removed"),
  bf16: byDtype,
  fp16: byDtype,
  evaluation_strategy: (value, where, { logging_steps }) =>
    value === "steps"
      ? { eval_steps: logging_steps }
      : only(["no", "steps"], "evaluate every logging_steps, or only before and after training")(
          value,
          where,
        ),
  report_to: (value) =>
    reports.includes(value)
      ? { report_to: value }
      : "is not used: every step is written to metrics.jsonl; give --report-to tensorboard for event files",
};

const modelKeys: Keys = {
  name: as("model"),
  type: only(["causal"], "training predicts the next token"),
  causal: only([true], "training predicts the next token"),
  bidirectional: only([false], "a memory that looks ahead sees the tokens that it should predict"),
  quantized: unused("is not used: --quantize says how weights are held"),
  tokenizer: only(["auto"], "the model's own tokenizer is used"),
  target_modules: orAuto("lora_target_modules"),
};

const variantKeys: Keys = {
  method: as("operator_mode"),
  mag_weight: oneOf("mag_weight"),
};

const defaultKeys: Keys = {
  dataset: as("dataset"),
  dataset_percentage: as("dataset_percentage"),
  padding: only(["longest"], "batches are padded to their longest example"),
  max_length: as("max_length"),
  seed: as("seed"),
  test_samples: (value, _, { run_test_eval }) => (run_test_eval === false ? {} : { eval_samples: value }),
  run_test_eval: () => ({}),
  lora: (value, where) =>
    value === false ? { lora_r: 0 } : only([true, false], "LoRA or full fine-tuning")(value, where),
  batch_size: orAuto("batch_size"),
  tokenizer: only(["auto"], "the model's own tokenizer is used"),
  training_config: () => ({}),
  log_metrics: only([true], "metrics.jsonl is always written"),
  platform: unused("is not used: the run is made where it is started"),
  hardware_target: unused("is not used: the run is made where it is started"),
  operator_modes: oneOf("operator_mode"),
  linear_precision: (value) => (value === "float32" ? {} : "is not used: memories are computed in f32"),
  cross_gate_mode: as("cross_gate"),
  max_chunk_size: (value, _, { operator_modes }) =>
    isObject(value) ? { max_chunk_size: value[String(operator_modes)] } : { max_chunk_size: value },
  save_model_dir: as("output"),
};

/** The sections of the file. */
const sections = ["defaults", "lora_config", "training_config", "models", "base_variants", "extra_variants"];

/** Whether the keys of a file are those of an experiments file. */
export const isTitanesque = (fields: JsonObject): boolean => sections.some((name) => name in fields);

/**
 * The options of `tptt train` that an experiments file stands for.
 *
 * @param note told of every key that changes nothing, and why.
 * @throws InputError naming the key that is not known or cannot be honoured.
 */
export function titanesqueOptions(
  fields: JsonObject,
  path: string,
  note: (text: string) => void,
): JsonObject {
  const options: JsonObject = {};
  const take = (value: unknown, where: string, keys: Keys) => {
    const section = value ?? {};
    if (!isObject(section)) throw new InputError(where, "is no mapping");
    for (const [key, item] of Object.entries(section)) {
      const at = `${where}.${key}`;
      const meaning = find(keys, key, at)(item, at, section);
      if (typeof meaning === "string") note(`${at}: ${meaning}`);
      else Object.assign(options, meaning);
    }
  };
  /** A list whose only entry holds for the run. */
  const takeOnly = (value: unknown, where: string, keys: Keys, advice: string) => {
    if (!Array.isArray(value)) throw new InputError(where, "is no list");
    if (value.length === 1) take(value[0], `${where}.0`, keys);
    else note(`${where}: lists ${value.length}, of which a run takes one; ${advice}`);
  };
  const { defaults, lora_config, training_config, models, base_variants, extra_variants, ...others } = fields;
  for (const key of Object.keys(others)) find({}, key, `${path}: ${key}`, sections);
  take(defaults, `${path}: defaults`, defaultKeys);
  const withLora = options.lora_r !== 0;
  if (withLora) take(lora_config, `${path}: lora_config`, loraKeys);
  const name = String((isObject(defaults) && defaults.training_config) || "standard");
  take(namedTraining(training_config, name, path), `${path}: training_config.${name}`, trainingKeys);
  if (models !== undefined) takeOnly(models, `${path}: models`, modelKeys, "give it with --model");
  if (base_variants !== undefined) {
    takeOnly(
      base_variants,
      `${path}: base_variants`,
      variantKeys,
      "give it with --operator-mode and --mag-weight",
    );
  }
  if (extra_variants !== undefined) {
    note(
      `${path}: extra_variants: are runs of their own; give --operator-mode, --mag-weight and --liza-callback-mode`,
    );
  }
  return options;
}

/** One of the named settings of training, which are a list of mappings with one name each. */
function namedTraining(value: unknown, name: string, path: string): unknown {
  if (value === undefined) return {};
  const named: JsonObject = Object.assign({}, ...[value].flat().filter(isObject));
  if (name in named) return named[name];
  throw new InputError(
    `${path}: defaults.training_config`,
    `is ${name}, expected one of ${Object.keys(named).join(", ")}`,
  );
}

function find(keys: Keys, key: string, where: string, known = Object.keys(keys)): Keys[string] {
  if (Object.hasOwn(keys, key)) return keys[key]!;
  throw new InputError(
    where,
    `is not a key of an experiments file; did you mean ${nearest(key, known).join(", ")}?`,
  );
}
