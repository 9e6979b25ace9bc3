import { columns } from "./columns.js";
import { type ComparedRun, differingOptions, type Figure, remarksOn } from "./comparison.js";

/** What a run writes after a prompt. */
export interface Continuation {
  readonly prompt: string;
  /** By run, in their order. */
  readonly texts: readonly string[];
}

/** A table's rows, the first of them its head. */
type Rows = readonly (readonly string[])[];

/** Runs side by side for a terminal. */
export function comparisonText(runs: readonly ComparedRun[], continuations: readonly Continuation[]): string {
  return [
    columns(figureRows(runs)),
    ...(optionRows(runs).length > 0 ? [columns(optionRows(runs))] : []),
    ...remarksOn(runs),
    ...continuations.map(({ prompt, texts }) =>
      [JSON.stringify(prompt), ...texts.map((text, i) => `  ${runs[i]!.name}: ${JSON.stringify(text)}`)].join(
        "\n",
      ),
    ),
  ].join("\n\n");
}

/** The same as Markdown. */
export function comparisonMarkdown(
  runs: readonly ComparedRun[],
  continuations: readonly Continuation[],
): string {
  return [
    `# ${runs.map(({ name }) => name).join(", ")}`,
    table(figureRows(runs)),
    ...(optionRows(runs).length > 0 ? ["## Options that differ", table(optionRows(runs))] : []),
    ...remarksOn(runs),
    ...(continuations.length > 0 ? ["## Continuations"] : []),
    ...continuations.flatMap(({ prompt, texts }) => [
      `### ${cell(JSON.stringify(prompt))}`,
      table([["run", "text"], ...texts.map((text, i) => [runs[i]!.name, JSON.stringify(text)])]),
    ]),
  ]
    .join("\n\n")
    .concat("\n");
}

function figureRows(runs: readonly ComparedRun[]): Rows {
  const names = [...new Set(runs.flatMap(({ figures }) => Object.keys(figures)))];
  return [
    ["", ...runs.map(({ name }) => name)],
    ...names.map((name) => [name, ...runs.map(({ figures }) => figureText(figures[name]))]),
  ];
}

function optionRows(runs: readonly ComparedRun[]): Rows {
  const rows = Object.entries(differingOptions(runs)).map(([name, values]) => [
    name,
    ...values.map((value) =>
      value === undefined ? "-" : typeof value === "string" ? value : JSON.stringify(value),
    ),
  ]);
  return rows.length > 0 ? [["options that differ", ...runs.map(({ name }) => name)], ...rows] : [];
}

function figureText(figure: Figure | undefined): string {
  if (!figure) return "-";
  const { value, interval } = figure;
  return interval ? `${short(value)} (${short(interval[0])} to ${short(interval[1])})` : short(value);
}

const short = (value: number): string =>
  String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4)));

function table(rows: Rows): string {
  const line = (row: readonly string[]) => `| ${row.map(cell).join(" | ")} |`;
  const [head, ...body] = rows;
  return [line(head!), line(head!.map(() => "---")), ...body.map(line)].join("\n");
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
