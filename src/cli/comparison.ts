import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { parse } from "yaml";
import { InputError } from "../errors.js";
import { isObject, type JsonObject, readJsonFileIfPresent, readTextFileIfPresent } from "../io/json-file.js";
import { seriesOf } from "../io/metrics.js";
import { pathInside } from "../io/model-folder.js";
import { exists } from "../io/path-kind.js";
import { openSafetensors } from "../io/weight-source.js";
import { adapterFile } from "../tptt/files/adapter-file.js";
import { type RunRecord, readRunRecord } from "../tptt/files/run-record.js";
import { optionsFile } from "./run-folder.js";
import { distinctNames } from "./run-metrics.js";

/** A measured value; of an evaluation with its interval of confidence. */
export interface Figure {
  readonly value: number;
  readonly interval?: readonly [low: number, high: number];
}

/** A titan or a run as it is compared with others. */
export interface ComparedRun {
  readonly name: string;
  readonly path: string;
  /** What was measured, by name; what was not is not there. */
  readonly figures: Readonly<Record<string, Figure>>;
  readonly options: Readonly<Record<string, unknown>>;
  /** Tells the held-out examples of runs apart. */
  readonly heldOut: string | undefined;
}

/** Steps at the end of a run whose mean is its loss: that of one step is of one batch. */
const lastSteps = 10;

/** Fields of `config.json` that say how a titan is made; the rest follows from the base model. */
const titanFields = [
  "base_model_name",
  "operator_mode",
  "operator_form",
  "recurrent_config",
  "pooling_config",
  "mag_weight",
  "mag_mode",
  "cross_gate",
  "base_scale_attn",
  "max_self_attn_length",
  "max_chunk_size",
  "disable_linear_attn",
  "bidirectional",
  "lora_config",
];

/** Options that say where things lie, not how the run is. */
const places = new Set(["output", "logging_dir", "report_to", "card_template", "json", "logging_steps"]);

/** Reads what the folders of titans and runs tell. @throws InputError naming a folder that is neither, or its faulty file. */
export async function readComparedRuns(paths: readonly string[]): Promise<ComparedRun[]> {
  const names = distinctNames(paths.map((path) => resolve(path)));
  return Promise.all(paths.map((path, i) => readComparedRun(path, names[i]!)));
}

async function readComparedRun(path: string, name: string): Promise<ComparedRun> {
  const config = await readJsonFileIfPresent(await pathInside(path, "config.json"));
  const record = await readRunRecord(path);
  if (config?.model_type !== "tptt" && record.metrics.length === 0) {
    throw new InputError(path, "is neither a saved titan's folder nor that of a training run");
  }
  return {
    name,
    path,
    figures: { ...trainingFigures(record), ...evaluationFigures(record), ...(await sizeFigures(path)) },
    options: await optionsOf(path, config, record),
    heldOut: record.results?.eval_data?.fingerprint,
  };
}

function trainingFigures({ metrics }: RunRecord): Record<string, Figure> {
  const figures: Record<string, Figure> = {};
  const add = (name: string, value: number | undefined) => {
    if (value !== undefined) figures[name] = { value };
  };
  const { values: losses } = seriesOf(metrics, "loss");
  const { values: heldOut } = seriesOf(metrics, "eval_loss");
  const { values: speeds } = seriesOf(metrics, "tokens_per_second");
  const last = losses.slice(-lastSteps);
  add("steps", metrics.at(-1)?.step);
  add("training loss", last.length > 0 ? last.reduce((a, b) => a + b, 0) / last.length : undefined);
  add("held-out loss", heldOut.at(-1));
  add("lowest held-out loss", heldOut.length > 0 ? Math.min(...heldOut) : undefined);
  add("training tokens/s", speeds.toSorted((a, b) => a - b)[speeds.length >> 1]);
  return figures;
}

function evaluationFigures({ evaluations }: RunRecord): Record<string, Figure> {
  const entries = evaluations.flatMap(({ task, metrics }) =>
    metrics.flatMap(({ name, value, interval }): [string, Figure][] =>
      value === null
        ? []
        : [[`${task}: ${name.replaceAll("_", " ")}`, { value, ...(interval ? { interval } : {}) }]],
    ),
  );
  return Object.fromEntries(entries);
}

async function sizeFigures(path: string): Promise<Record<string, Figure>> {
  const file = await pathInside(path, adapterFile);
  if (!(await exists(file))) return {};
  const weights = await openSafetensors(file);
  const shapes = [...weights.tensors.values()].map(({ shape }) => shape);
  await weights.close();
  const trained = shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return { "trained parameters": { value: trained }, "size, MB": { value: (await stat(file)).size / 1e6 } };
}

async function optionsOf(
  path: string,
  config: JsonObject | undefined,
  { results }: RunRecord,
): Promise<Record<string, unknown>> {
  const text = await readTextFileIfPresent(await pathInside(path, optionsFile));
  const given: unknown = text === undefined ? {} : parse(text);
  const options = {
    ...(isObject(given) ? given : {}),
    ...results?.arguments,
    ...(results ? { data: results.data.fingerprint } : {}),
    ...Object.fromEntries(
      titanFields.filter((name) => config && name in config).map((name) => [name, config![name]]),
    ),
  };
  return Object.fromEntries(Object.entries(options).filter(([name]) => !places.has(name)));
}

/** The options that are not the same for all, with each one's value. */
export function differingOptions(runs: readonly ComparedRun[]): Record<string, readonly unknown[]> {
  const names = [...new Set(runs.flatMap(({ options }) => Object.keys(options)))];
  const rows = names.map((name) => [name, runs.map(({ options }) => options[name])] as const);
  return Object.fromEntries(
    rows.filter(([, values]) => new Set(values.map((value) => JSON.stringify(value))).size > 1),
  );
}

/** What a reader of the figures has to know. */
export function remarksOn(runs: readonly ComparedRun[]): string[] {
  const sets = new Set(runs.flatMap(({ heldOut }) => heldOut ?? []));
  return sets.size > 1 ? ["the runs hold out different examples: their held-out losses do not compare"] : [];
}
