import { basename } from "node:path";
import { stringify } from "yaml";
import { parseHubId } from "../../io/hub/hub-id.js";
import type { JsonObject } from "../../io/json-file.js";
import { seriesOf } from "../../io/metrics.js";
import type { Card } from "./card.js";
import type { LicenseFields } from "./hub-licenses.js";
import type { EvaluationRecord, RunRecord, TrainResults } from "./run-record.js";

/** What the header of a card is made of. */
export interface CardSubject extends Pick<Card, "kind" | "modelId" | "config" | "isTrained"> {
  /** Where the base model is on the hub, if it is. */
  readonly baseModelId: string | undefined;
  readonly pipelineTag: string;
  readonly license: Partial<LicenseFields>;
  /** What holds of this model. */
  readonly record: RunRecord;
}

/**
 * The hub's metadata of a model: the header of its card, as YAML.
 * https://github.com/huggingface/hub-docs/blob/main/modelcard.md
 */
export function cardMetadata(subject: CardSubject): string {
  const { kind, modelId, config, baseModelId, pipelineTag, license, record, isTrained } = subject;
  const lora = Boolean(config.lora_config);
  const { library, tags, relation } = {
    titan: {
      library: "tptt",
      tags: ["tptt", "titans", "linear-attention", lora ? "lora" : "full"],
      relation: lora ? "adapter" : "finetune",
    },
    adapter: { library: "peft", tags: ["tptt", "lora"], relation: "adapter" },
    // Weights in another form, and nothing more, are none of the relations that the hub knows.
    merged: {
      library: "transformers",
      tags: lora ? ["tptt", "lora"] : ["tptt"],
      relation: isTrained ? "finetune" : undefined,
    },
  }[kind];
  const datasets = [...new Set(record.results?.data.files?.flatMap((file) => file.hub_id ?? []))];
  const results = evaluationResults(record, pipelineTag);
  const fields = {
    ...license,
    library_name: library,
    pipeline_tag: pipelineTag,
    ...(baseModelId === undefined
      ? {}
      : { base_model: baseModelId, ...(relation === undefined ? {} : { base_model_relation: relation }) }),
    ...(datasets.length > 0 ? { datasets } : {}),
    tags,
    ...(results.length > 0 ? { "model-index": [{ name: modelId, results }] } : {}),
  };
  return stringify(fields, { lineWidth: 0 });
}

/** The hub's `model-index`: what was measured, of which task, on which data. */
function evaluationResults({ metrics, results, evaluations }: RunRecord, taskType: string): JsonObject[] {
  const task = { type: taskType };
  const heldOut = seriesOf(metrics, "eval_loss").values.at(-1);
  const ofTraining =
    heldOut === undefined
      ? []
      : [
          {
            task,
            dataset: { ...datasetFields(results?.data), split: "held-out" },
            metrics: [{ type: "loss", value: rounded(heldOut), name: "held-out loss per token" }],
          },
        ];
  const ofTasks = evaluations.flatMap(({ task: name, data, metrics: measured }) => {
    const values = measured.flatMap(({ name: type, value }) =>
      value === null ? [] : [{ type, value: rounded(value), name: `${name}: ${type.replaceAll("_", " ")}` }],
    );
    const { name: shown, split } = shownData(data);
    const dataset = {
      type: parseHubId(shown) ? shown : formatOf([shown]),
      name: shown,
      ...(split === undefined ? {} : { split }),
    };
    return values.length > 0 ? [{ task: { ...task, name }, dataset, metrics: values }] : [];
  });
  return [...ofTraining, ...ofTasks];
}

/** A data set by its name on the hub, or else by the kind of its files, as Hugging Face's `datasets` calls them. */
function datasetFields(data: TrainResults["data"] | undefined): { type: string; name: string } {
  const files = data?.files ?? [];
  const [id, ...others] = new Set(files.map((file) => file.hub_id));
  const name = dataNames(data).join(", ") || "examples in memory";
  return {
    type: id !== undefined && others.length === 0 ? id : formatOf(files.map((file) => file.name)),
    name,
  };
}

/** What the data are called: by their names on the hub, and those of files that are not there. */
export const dataNames = (data: TrainResults["data"] | undefined): string[] => [
  ...new Set(data?.files?.map(({ hub_id, name }) => hub_id ?? name)),
];

const formats: Readonly<Record<string, string>> = {
  json: "json",
  jsonl: "json",
  ndjson: "json",
  csv: "csv",
  tsv: "csv",
  parquet: "parquet",
};

function formatOf(names: readonly string[]): string {
  const found = new Set(
    names.map((name) => formats[/\.(\w+)$/.exec(name.toLowerCase())?.[1] ?? ""] ?? "text"),
  );
  return found.size === 1 ? [...found][0]! : "text";
}

/** What data that were named on the command line are called on a card: paths are nobody else's. */
export function shownData({ name, hub_id, split }: EvaluationRecord["data"]): {
  readonly name: string;
  readonly split?: string;
} {
  const id = hub_id === undefined ? undefined : parseHubId(hub_id)?.name;
  if (id === undefined) return { name: basename(name) };
  return { name: id, ...(split === undefined ? {} : { split }) };
}

/** Digits that mean something. */
export const rounded = (value: number): number => Number(value.toPrecision(5));
