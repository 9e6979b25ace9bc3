import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { titanesqueOptions } from "../../src/cli/titanesque-config.js";
import { openWorkspace, problems, tptt } from "./workspace.js";

/** Every key that the Python project's own file has, with values of the same kinds. */
const everyKey = `
defaults:
  dataset: data.jsonl
  dataset_percentage: 0.5
  padding: longest
  max_length: 48
  seed: 3
  test_samples: 1
  run_test_eval: true
  lora: true
  batch_size: auto
  tokenizer: auto
  training_config: standard
  log_metrics: true
  platform: Local
  hardware_target: 2xT4
  operator_modes: delta_product
  linear_precision: bfloat16
  cross_gate_mode: false
  max_chunk_size:
    delta_rule: 64
    delta_product: 32
  save_model_dir: out
lora_config:
  r: 2
  lora_alpha: 4
  lora_dropout: 0.05
  target_modules: auto
training_config:
  - standard:
      epochs: 1
      learning_rate: 5e-4
      weight_decay: 0.1
      gradient_accumulation_steps: 1
      max_grad_norm: 2.0
      logging_steps: 1
      save_steps: 1000
      save_total_limit: 2
      bf16: true
      evaluation_strategy: steps
      report_to: tensorboard
models:
  - name: base
    type: causal
    quantized: false
    bidirectional: false
    target_modules: [q_proj]
  - name: other
    type: diffusion
    causal: false
    bidirectional: true
    tokenizer: another
base_variants:
  - method: delta_rule
    mag_weight: [0.5]
  - method: delta_product
    mag_weight: [0.5]
extra_variants:
  operator_modes: []
  liza_callback: {}
`;

const meaning = (text: string) => {
  const notes: string[] = [];
  const options = titanesqueOptions(parse(text), "grid.yaml", (note) => notes.push(note.slice(11)));
  return { options, notes };
};

test("every key works or says why it does not", () => {
  expect(meaning(everyKey)).toEqual({
    options: {
      dataset: "data.jsonl",
      dataset_percentage: 0.5,
      max_length: 48,
      seed: 3,
      eval_samples: 1,
      operator_mode: "delta_product",
      cross_gate: false,
      max_chunk_size: 32,
      output: "out",
      lora_r: 2,
      lora_alpha: 4,
      lora_dropout: 0.05,
      epochs: 1,
      learning_rate: 5e-4,
      weight_decay: 0.1,
      gradient_accumulation_steps: 1,
      max_grad_norm: 2,
      logging_steps: 1,
      save_steps: 1000,
      eval_steps: 1,
      report_to: "tensorboard",
    },
    notes: [
      "defaults.platform: is not used: the run is made where it is started",
      "defaults.hardware_target: is not used: the run is made where it is started",
      "defaults.linear_precision: is not used: memories are computed in f32",
      "training_config.standard.save_total_limit: is not used: no checkpoint is removed",
      "training_config.standard.bf16: is not used: --dtype says what products are computed in",
      "models: lists 2, of which a run takes one; give it with --model",
      "base_variants: lists 2, of which a run takes one; give it with --operator-mode and --mag-weight",
      "extra_variants: are runs of their own; give --operator-mode, --mag-weight and --liza-callback-mode",
    ],
  });
});

test("what metrics cannot be reported to is told", () => {
  expect(meaning("training_config: { standard: { report_to: wandb } }\nlora_config: {}\n").notes).toEqual([
    "training_config.standard.report_to: is not used: every step is written to metrics.jsonl; give --report-to tensorboard for event files",
  ]);
});

test("a list of one model or variant holds for the run", () => {
  const { options, notes } = meaning(`
defaults: { operator_modes: [delta_rule], max_chunk_size: 16, lora: false, run_test_eval: false, test_samples: 4 }
lora_config: { r: 2 }
models: [{ name: base, type: causal, target_modules: [q_proj] }]
base_variants: [{ method: delta_rule_v, mag_weight: [0.25, 0.5] }]
`);
  expect(options).toEqual({
    operator_mode: "delta_rule_v",
    max_chunk_size: 16,
    lora_r: 0,
    model: "base",
    lora_target_modules: ["q_proj"],
  });
  expect(notes).toEqual([
    "base_variants.0.mag_weight: lists 2, of which a run takes one; give it with --mag-weight",
  ]);
});

describe("what cannot be honoured is refused", () => {
  test.each([
    [
      "defaults: { padding: max_length }",
      'defaults.padding: is "max_length", expected "longest": batches are padded',
    ],
    [
      "defaults: { tokenizer: gpt2 }",
      'defaults.tokenizer: is "gpt2", expected "auto": the model\'s own tokenizer',
    ],
    ["models: [{ type: diffusion }]", 'models.0.type: is "diffusion", expected "causal": training predicts'],
    [
      "models: [{ bidirectional: true }]",
      "models.0.bidirectional: is true, expected false: a memory that looks",
    ],
    ["defaults: { sed: 1 }", "defaults.sed: is not a key of an experiments file; did you mean seed"],
    ["{ defaults: {}, model: [] }", "model: is not a key of an experiments file; did you mean models"],
    [
      "{ defaults: { training_config: long }, training_config: [{ standard: {} }] }",
      "defaults.training_config: is long, expected one of standard",
    ],
    [
      "training_config: [{ standard: { evaluation_strategy: epoch } }]",
      'evaluation_strategy: is "epoch", expected',
    ],
  ])("%s", (text, problem) => {
    expect(() => meaning(text)).toThrow(`grid.yaml: `);
    expect(() => meaning(text)).toThrow(problem);
  });
});

test("tptt train runs it; the command line wins", async () => {
  const { folder, model, write } = await openWorkspace();
  const dataset = await write("problems.jsonl", problems);
  const config = await write("grid.yaml", everyKey);
  const output = join(folder, "titan");
  const { code, stderr } = await tptt([
    "train",
    "--config",
    config,
    "--model",
    model,
    "--dataset",
    dataset,
    "--output",
    output,
    "--max-steps",
    "1",
  ]);
  expect(stderr).toContain(
    `tptt: ${config}: models: lists 2, of which a run takes one; give it with --model\n`,
  );
  expect(code).toBe(0);
  const saved = JSON.parse(await readFile(join(output, "config.json"), "utf8"));
  expect(saved).toMatchObject({ operator_mode: "delta_product", max_chunk_size: 32, lora_config: { r: 2 } });
});
