import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { train } from "../../../src/cli/commands/train.js";
import { readConfigFile } from "../../../src/cli/config-file.js";
import { openCheckpoint } from "../../../src/models/checkpoint.js";
import { readSavedConfig } from "../../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { type Mutation, mutateBytes } from "../mutate-bytes.js";
import { mutateJson } from "../mutate-json.js";
import { fixture, type Reader, type Sample, type Step, sample } from "../sample.js";

const families = [
  "bert",
  "dream",
  "gemma3-scaled",
  "gpt2-scaled",
  "llama-gqa",
  "llama-tied-llama3",
  "mistral",
  "olmo",
  "olmo2",
  "olmoe",
  "openelm",
  "qwen2-window",
  "qwen3",
  "vit",
];

/** Options of a run, of many kinds. */
const runOptions = `model: base
dataset: [a.jsonl, b.csv]
output: out
seed: 3
learning_rate: 5e-4
lora_r: 8
mag_weight: 0.5
liza_callback_mode: gradual
columns: &c {instruction: question}
packing: true
# a remark
skip_malformed: false
`;

const experiments = {
  defaults: {
    dataset: "d",
    seed: 3,
    lora: true,
    batch_size: "auto",
    training_config: "standard",
    operator_modes: "delta_rule",
    max_chunk_size: { delta_rule: 64, delta_product: 32 },
  },
  lora_config: { r: 2, lora_alpha: 4, target_modules: "auto" },
  training_config: [{ standard: { epochs: 1, logging_steps: 1, evaluation_strategy: "steps" } }],
  models: [{ name: "base", type: "causal", target_modules: ["q_proj"] }],
  base_variants: [{ method: "delta_rule", mag_weight: [0.5] }],
};

/** Changes YAML by its bytes or by its values. */
const mutateYaml: Mutation = (bytes, random) => {
  if (random.below(2) === 0) return mutateBytes(bytes, random);
  const changed = mutateJson(Buffer.from(JSON.stringify(parse(bytes.toString()))), random);
  try {
    return Buffer.from(stringify(JSON.parse(changed.toString())));
  } catch {
    return changed;
  }
};

/** Configs of every family, of titans and adapters, and files of options. */
export const config: Reader = {
  name: "config",
  async samples(root) {
    const samples: Sample[] = [];
    for (const family of families) {
      const copyOf = fixture(`models/${family}`);
      const file = "config.json";
      const bytes = await readFile(join(copyOf, file));
      const read = async (folder: string, step: Step) => {
        await step(() => readSavedConfig(folder));
        await step(async () => (await openCheckpoint(folder)).close());
      };
      samples.push(await sample(root, { file, bytes, copyOf, mutate: mutateJson, read }));
    }
    for (const [titan, file] of [
      ["full", "config.json"],
      ["lora", "config.json"],
      ["peft-layers", "adapter_config.json"],
      ["peft-pattern", "adapter_config.json"],
    ] as const) {
      const copyOf = fixture(`titans/${titan}`);
      const fields = JSON.parse(await readFile(join(copyOf, file), "utf8"));
      const name = file === "config.json" ? "base_model_name" : "base_model_name_or_path";
      const bytes = JSON.stringify({ ...fields, [name]: fixture("models/llama-gqa") });
      const read = (folder: string, step: Step) =>
        step(async () => (await TpttModel.fromPretrained(folder)).dispose());
      samples.push(await sample(root, { file, bytes, copyOf, mutate: mutateJson, read }));
    }
    for (const bytes of [runOptions, stringify(experiments)]) {
      const read = (folder: string, step: Step) =>
        step(() => readConfigFile(join(folder, "run.yaml"), train.options));
      samples.push(await sample(root, { file: "run.yaml", bytes, mutate: mutateYaml, read }));
    }
    return samples;
  },
};
