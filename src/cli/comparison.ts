import { join } from "node:path";
import { InputError } from "../errors.js";
import { type JsonObject, readJsonFileIfPresent } from "../io/json-file.js";
import { magWeightSeries, seriesOf } from "../io/metrics.js";
import { isFolder } from "../io/path-kind.js";
import { type RunRecord, readRunRecord } from "../tptt/files/run-record.js";

/** What a folder tells of a run. */
export interface ComparedRun {
  readonly name: string;
  readonly folder: string;
  readonly config: JsonObject;
  readonly record: RunRecord;
}

/** A line of a comparison: a cell for each run, null where it has none. */
export interface ComparedRow {
  readonly name: string;
  readonly cells: readonly (number | string | null)[];
}

/**
 * Reads the folders of runs: saved titans, or runs that are going on.
 *
 * @param names what the runs are called.
 * @throws InputError when one tells nothing.
 */
export function readComparedRuns(
  folders: readonly string[],
  names: readonly string[],
): Promise<ComparedRun[]> {
  return Promise.all(
    folders.map(async (folder, i) => {
      if (!(await isFolder(folder)))
        throw new InputError(folder, "is no folder; give that of a training run");
      const record = await readRunRecord(folder);
      const config = (await readJsonFileIfPresent(join(folder, "config.json"))) as JsonObject | undefined;
      if (!config && record.metrics.length === 0)
        throw new InputError(
          folder,
          "has neither config.json nor metrics.jsonl; give that of a training run",
        );
      return { name: names[i]!, folder, config: config ?? {}, record };
    }),
  );
}

/** What was measured: of training the last figures and the median speed, of each evaluation its metrics. */
export function figureRows(runs: readonly ComparedRun[]): ComparedRow[] {
  const row = (name: string, cell: (run: ComparedRun) => number | undefined): ComparedRow => ({
    name,
    cells: runs.map((run) => cell(run) ?? null),
  });
  const last = (name: string) => (run: ComparedRun) => seriesOf(run.record.metrics, name).values.at(-1);
  const evaluated = runs.flatMap(({ record }) =>
    record.evaluations.flatMap(({ task, metrics }) => metrics.map(({ name }) => ({ task, name }))),
  );
  const measures = new Map(evaluated.map((measure) => [`${measure.task}: ${measure.name}`, measure]));
  const rows = [
    row("steps", ({ record }) => record.metrics.at(-1)?.step),
    row("loss", last("loss")),
    row("held-out loss", last("eval_loss")),
    row("mu", ({ record }) => magWeightSeries(record.metrics).values.at(-1)),
    row("tokens/s", ({ record }) => median(seriesOf(record.metrics, "tokens_per_second").values)),
    ...[...measures].map(([title, { task, name }]) =>
      row(title.replaceAll("_", " "), ({ record }) => {
        const evaluation = record.evaluations.find((other) => other.task === task);
        return evaluation?.metrics.find((metric) => metric.name === name)?.value ?? undefined;
      }),
    ),
  ];
  return rows.filter(({ cells }) => cells.some((cell) => cell !== null));
}

/** The options of training and the fields of the config in which the runs differ. */
export function differingRows(runs: readonly ComparedRun[]): ComparedRow[] {
  // A checkpoint, or a run that goes on, does not tell its options.
  const told = runs.every(({ record }) => record.results);
  const options = runs.map(({ config, record }) => ({
    ...config,
    ...(told ? record.results?.arguments : {}),
  }));
  const names = [...new Set(options.flatMap((of) => Object.keys(of)))].sort();
  const cell = (value: unknown) =>
    value === undefined ? null : typeof value === "string" ? value : JSON.stringify(value);
  return names
    .map((name) => ({ name, cells: options.map((of) => cell(of[name])) }))
    .filter(({ cells }) => cells.some((value) => value !== cells[0]));
}

/** In Markdown: a table of figures and one of options, then what each run makes of each prompt. */
export function comparisonMarkdown(
  names: readonly string[],
  tables: Readonly<Record<string, readonly ComparedRow[]>>,
): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll(/\s*\n\s*/g, " ")).join(" | ")} |`;
  const sections = Object.entries(tables)
    .filter(([, rows]) => rows.length > 0)
    .map(([title, rows]) =>
      [
        line([title, ...names]),
        line(["---", ...names.map(() => "---")]),
        ...rows.map(({ name, cells }) => line([name, ...cells.map(cellText)])),
      ].join("\n"),
    );
  return `${sections.join("\n\n")}\n`;
}

/** A cell for a person. */
export const cellText = (cell: number | string | null): string =>
  cell === null ? "" : typeof cell === "number" ? String(Number(cell.toPrecision(4))) : cell;

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
