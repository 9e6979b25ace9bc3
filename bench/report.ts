import { fileURLToPath } from "node:url";
import type { Limits, Machine } from "./machine.js";
import type { Profile } from "./profile.js";
import { type Measured, type MeasuredRow, median, type Reference, type Side, speedOf } from "./row.js";

/** Where a run leaves its report, unless it is told otherwise. */
export const reportFile = fileURLToPath(new URL("../report.json", import.meta.url));

/** What one run of the benchmark measured. */
export interface Report {
  /** ISO 8601. */
  readonly date: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly model: string;
  /** Repetitions after the warm-up. */
  readonly repeat: number;
  readonly rows: readonly MeasuredRow[];
  readonly profiles: readonly Profile[];
}

/** One line of the table: what one side of a row did, and what is asked of it. */
export interface Line {
  readonly work: string;
  readonly side: string;
  readonly measured: string;
  readonly memory: string;
  /** The package beside this side. */
  readonly compared: string;
  readonly goal: string;
  readonly met: string;
  /** Share of what the machine gives at best. */
  readonly limit: string;
}

/** The headings of the table. */
export const headings: Line = {
  work: "work",
  side: "side",
  measured: "measured",
  memory: "peak memory",
  compared: "compared",
  goal: "goal",
  met: "met",
  limit: "of the limit",
};

/** A goal, and whether it is reached. */
interface Verdict {
  readonly goal: string;
  readonly measured: string;
  readonly met: boolean;
}

/** A goal as a line of its own. */
export interface GoalLine {
  readonly work: string;
  /** What it is set against, with its figures; empty where the package stands by itself. */
  readonly beside: string;
  readonly goal: string;
  readonly measured: string;
  readonly met: string;
  readonly limit: string;
}

/** The headings of the table of goals. */
export const goalHeadings: GoalLine = {
  work: "work",
  beside: "beside",
  goal: "goal",
  measured: "measured",
  met: "met",
  limit: "of the limit",
};

/** A row's lines: the package first, then what it is compared with. */
export function linesOf(row: MeasuredRow, limits: Limits): Line[] {
  const { ours, references } = row;
  const line = (side: Side & Measured, verdicts: readonly Verdict[]) => ({
    side: side.name,
    measured: result(side),
    memory: memoryOf(side),
    goal: verdicts.map(({ goal }) => goal).join(", "),
    met: verdicts.map(({ met }) => yes(met)).join(", "),
  });
  return [
    { work: row.name, ...line(ours, ownVerdicts(row)), compared: "", limit: limitShare(row, limits) },
    ...references.map((reference) => ({
      work: "",
      ...line(reference, verdictsAgainst(reference, ours)),
      compared: comparison(ours, reference),
      limit: "",
    })),
  ];
}

/** What became of each goal of a row. */
export function goalLinesOf(row: MeasuredRow, limits: Limits): GoalLine[] {
  const { suite, name, ours, references } = row;
  const line = (beside: string, { goal, measured, met }: Verdict): GoalLine => ({
    work: `${suite}: ${name}`,
    beside,
    goal,
    measured,
    met: yes(met),
    limit: limitShare(row, limits),
  });
  return [
    ...ownVerdicts(row).map((verdict) => line("", verdict)),
    ...references.flatMap((reference) =>
      verdictsAgainst(reference, ours).map((verdict) =>
        line(
          `${reference.name}: ${[result(reference), memoryOf(reference)].filter(Boolean).join(", ")}`,
          verdict,
        ),
      ),
    ),
  ];
}

/** Whether a row misses one of its goals. */
export const misses = ({ ours, references, atMost }: MeasuredRow): boolean =>
  [
    ...ownVerdicts({ ours, ...(atMost ? { atMost } : {}) }),
    ...references.flatMap((r) => verdictsAgainst(r, ours)),
  ].some(({ met }) => !met);

function ownVerdicts({ ours, atMost = {} }: Pick<MeasuredRow, "ours" | "atMost">): Verdict[] {
  const { seconds, bytes } = atMost;
  const measured = ours.failed === undefined;
  const verdicts: Verdict[] = [];
  if (seconds !== undefined)
    verdicts.push({
      goal: `<= ${seconds} s`,
      measured: result(ours),
      met: measured && median(ours.seconds) <= seconds,
    });
  if (bytes !== undefined)
    verdicts.push({
      goal: `<= ${bytes / 1e9} GB`,
      measured: memoryOf(ours),
      met: measured && ours.peakBytes <= bytes,
    });
  return verdicts;
}

function verdictsAgainst(reference: Reference & Measured, ours: Side & Measured): Verdict[] {
  const { atLeast, memoryAtMost, lossWithin } = reference;
  const measured = ours.failed === undefined && reference.failed === undefined;
  const verdicts: Verdict[] = [];
  const add = (goal: string, text: string, met: boolean) =>
    verdicts.push({ goal, measured: measured ? text : "not measured", met: measured && met });
  if (atLeast !== undefined) {
    const faster = timesAsFast(ours, reference);
    add(`>= ${round(atLeast)}x`, times(faster), faster >= atLeast);
  }
  if (memoryAtMost !== undefined) {
    const larger = ours.peakBytes / reference.peakBytes;
    add(`memory <= ${memoryAtMost}x`, times(larger), larger <= memoryAtMost);
  }
  if (lossWithin !== undefined) {
    const higher = lossAbove(reference, ours);
    add(`loss within ${lossWithin}`, signed(higher), Math.abs(higher) <= lossWithin);
  }
  return verdicts;
}

/** The package beside a reference, goals or not. */
function comparison(ours: Side & Measured, reference: Reference & Measured): string {
  if (ours.failed !== undefined || reference.failed !== undefined) return "";
  if (reference.loss !== undefined) return `loss ${signed(lossAbove(reference, ours))}`;
  const memory = reference.memoryAtMost ? `, memory ${times(ours.peakBytes / reference.peakBytes)}` : "";
  return `${times(timesAsFast(ours, reference))}${memory}`;
}

const number = (x: number): string => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
const round = (x: number): number => Number(x.toFixed(2));
const times = (ratio: number): string => `${number(ratio)}x`;
const signed = (x: number): string => `${x < 0 ? "-" : "+"}${Math.abs(x).toFixed(4)}`;
const yes = (met: boolean): string => (met ? "yes" : "no");

const timesAsFast = (ours: Side & Measured, other: Side & Measured): number => speedOf(ours) / speedOf(other);
const lossAbove = (other: Measured, ours: Measured): number =>
  (other.loss ?? Number.NaN) - (ours.loss ?? Number.NaN);

const memoryOf = ({ failed, peakBytes }: Measured): string =>
  failed === undefined ? `${number(peakBytes / 1e9)} GB` : "";

/** What a side did. Where it was repeated less than others it is said. */
function result(side: Side & Measured): string {
  const { failed, loss, seconds, tokens } = side;
  if (failed !== undefined) return `failed: ${failed}`;
  if (loss !== undefined) return `loss ${loss.toFixed(4)}, perplexity ${number(Math.exp(loss))}`;
  const one = median(seconds);
  const time = one < 1 ? `${number(one * 1000)} ms` : `${number(one)} s`;
  const speed = tokens === undefined ? time : `${number(speedOf(side))} tok/s`;
  const count = seconds.length;
  return count < 5 ? `${speed} (${count} repetition${count === 1 ? "" : "s"})` : speed;
}

function limitShare({ ours, needs }: MeasuredRow, { gflops, bytesPerSecond }: Limits): string {
  if (!needs || ours.failed !== undefined) return "";
  const leastSeconds = "gflop" in needs ? needs.gflop / gflops : needs.bytes / bytesPerSecond;
  return `${(100 * speedOf(ours) * leastSeconds).toFixed(0)} %`;
}

/** A table for a terminal, without its headings when they are above already. */
export function terminalTable(lines: readonly Line[]): string {
  const all = [headings, ...lines];
  const columns = Object.keys(headings) as (keyof Line)[];
  const widths = columns.map((column) => Math.max(...all.map((line) => line[column].length)));
  return all
    .map((line) =>
      columns
        .map((column, i) => line[column].padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A table in Markdown. */
export function markdownTable(lines: readonly Readonly<Record<string, string>>[]): string {
  const [head] = lines;
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const columns = Object.keys(head!);
  return [
    row(columns.map((column) => head![column]!)),
    row(columns.map(() => "---")),
    ...lines.slice(1).map((line) => row(columns.map((column) => line[column]!))),
  ].join("\n");
}
