import { basename } from "node:path";
import type { JsonObject } from "../../io/json-file.js";
import type { License } from "../../io/license.js";
import { magWeightSeries, type Series, seriesOf } from "../../io/metrics.js";
import type { Card } from "./card.js";
import { cardMetadata, dataNames, rounded, shownData } from "./card-metadata.js";
import { hubLicense } from "./hub-licenses.js";
import { pythonLoading } from "./python-loading.js";
import type { EvaluationRecord, RunRecord, TrainResults } from "./run-record.js";

/** Files that a card lists; of more it tells how many there are. */
const filesListed = 20;

/** What a card's template sees of a license. */
export const licenseVariables = (license: License | undefined): Readonly<Record<string, string>> =>
  license === undefined
    ? {}
    : {
        license: license.id,
        ...(license.name === undefined ? {} : { license_name: license.name }),
        ...(license.link === undefined ? {} : { license_link: license.link }),
      };

/** Where the base model is on the hub, which takes names of its own only: a path would make it refuse the card. */
export function hubNameOf(base: unknown): string | undefined {
  return typeof base === "string" && /^[A-Za-z0-9][\w.-]*\/[\w.-]+$/.test(base) ? base : undefined;
}

/**
 * The variables of a card's template.
 *
 * @param extra variables that take the place of these.
 */
export function cardVariables(
  { kind, modelId, config, record, isTrained, autoMap, curves }: Card,
  extra: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const baseId = hubNameOf(config.base_model_name);
  const pipelineTag = pipelineTagOf(config);
  const variables = {
    kind,
    model_id: modelId,
    config,
    is_trained: isTrained,
    base_name: basename(String(config.base_model_name ?? "")),
    ...(baseId === undefined ? {} : { base_model_id: baseId }),
    pipeline_tag: pipelineTag,
    python: pythonLoading(config, baseId, pipelineTag === "text-generation", autoMap),
    ...trainingVariables(record),
    data: dataVariables(record.results),
    metrics: metricRows(record),
    evaluations: record.evaluations.map(evaluationVariables),
    curves,
    ...extra,
  };
  const license = givenLicense(extra);
  const baseModelId = variables.base_model_id;
  const fields = license ? hubLicense(license, baseModelId) : {};
  const metadata = cardMetadata({
    kind,
    modelId,
    config,
    baseModelId,
    pipelineTag,
    license: fields,
    record: kind === "titan" ? record : withoutMemories(record),
    isTrained,
  });
  return { ...variables, ...fields, metadata };
}

/** What the model is for, as the hub calls it. Only the config of a model of images says how large they are. */
function pipelineTagOf({ model_task, image_size }: JsonObject): string {
  if (String(model_task ?? "causal_lm") === "causal_lm") return "text-generation";
  return image_size === undefined ? "feature-extraction" : "image-feature-extraction";
}

/** What was measured of a titan when its memories had no share: that holds without them. */
function withoutMemories(record: RunRecord): RunRecord {
  return {
    ...record,
    metrics: magWeightSeries(record.metrics).values.at(-1) === 0 ? record.metrics : [],
    evaluations: record.evaluations.filter(({ model }) => model?.mag_weight === 0),
  };
}

/** What the hub calls `license` may be given as a variable too. */
function givenLicense({ license, license_name, license_link }: Readonly<Record<string, unknown>>) {
  if (typeof license !== "string") return undefined;
  return {
    id: license,
    ...(typeof license_name === "string" ? { name: license_name } : {}),
    ...(typeof license_link === "string" ? { link: license_link } : {}),
  };
}

/** A run's options and its last figures, under the names that templates for Python know. */
function trainingVariables({ metrics, results }: RunRecord): Record<string, unknown> {
  const last = (name: string) => {
    const value = seriesOf(metrics, name).values.at(-1);
    return value === undefined ? undefined : rounded(value);
  };
  const { max_steps, epochs, ...args } = results?.arguments ?? {};
  return {
    ...args,
    ...(max_steps === undefined ? { epochs } : {}),
    steps: results?.steps,
    tokens: results?.tokens,
    dataset: dataNames(results?.data).join(", ") || undefined,
    examples: results?.data.examples,
    loss: last("loss"),
    eval_loss: last("eval_loss"),
    grad_norm: last("grad_norm"),
    tokens_per_second: median(seriesOf(metrics, "tokens_per_second").values),
  };
}

/** The data of training and of evaluation in it. */
function dataVariables(results: TrainResults | undefined): Record<string, unknown> | undefined {
  if (!results) return undefined;
  const { data, eval_data } = results;
  const files = data.files ?? [];
  return {
    files: files.slice(0, filesListed).map(({ name, hub_id, records, malformed }) => ({
      name: hub_id === undefined ? name : `${hub_id}: ${name}`,
      records,
      malformed,
    })),
    files_not_listed: Math.max(0, files.length - filesListed),
    examples: data.examples,
    fingerprint: hashOf(data),
    eval_examples: eval_data?.examples ?? 0,
    eval_fingerprint: eval_data && hashOf(eval_data),
  };
}

/** A fingerprint without the number of examples, which a card tells anyway. */
const hashOf = ({ fingerprint }: TrainResults["data"]): string => fingerprint.replace(/^\d+ examples, /, "");

/** First, last and lowest value of what was measured in training. */
function metricRows({ metrics }: RunRecord): Record<string, unknown>[] {
  const rows: [string, Series][] = [
    ["training loss per token", seriesOf(metrics, "loss")],
    ["held-out loss per token", seriesOf(metrics, "eval_loss")],
    ["gradient norm", seriesOf(metrics, "grad_norm")],
    ["memory's share (mu)", magWeightSeries(metrics)],
  ];
  return rows.flatMap(([name, { steps, values }]) => {
    if (values.length === 0) return [];
    const lowest = values.reduce((best, value, i) => (value < values[best]! ? i : best), 0);
    const at = (i: number) => `${rounded(values[i]!)} (step ${steps[i]!})`;
    return [{ name, first: at(0), last: at(values.length - 1), lowest: at(lowest) }];
  });
}

function evaluationVariables({ task, data, model, metrics }: EvaluationRecord): Record<string, unknown> {
  const number = (value: number | null | undefined) => (typeof value === "number" ? rounded(value) : "");
  return {
    task,
    data: Object.values(shownData(data)).join(", "),
    mag_weight: number(model?.mag_weight),
    metrics: metrics.map(({ name, value, interval, count }) => ({
      name: name.replaceAll("_", " "),
      value: number(value),
      interval: interval ? `${number(interval[0])} to ${number(interval[1])}` : "",
      count: number(count),
    })),
  };
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length === 0 ? undefined : Math.round(sorted[sorted.length >> 1]!);
}
