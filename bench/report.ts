import type { Machine } from "./machine.js";
import type { Profile } from "./profile.js";
import {
  limitGflops,
  type Measured,
  type MeasuredRow,
  median,
  type Reference,
  type Side,
  speedOf,
} from "./row.js";

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
  readonly speed: string;
  readonly memory: string;
  /** How many times as fast the package is. */
  readonly ratio: string;
  readonly goal: string;
  readonly met: string;
  /** Share of what the machine can compute. */
  readonly limit: string;
}

/** The headings of the table. */
export const headings: Line = {
  work: "work",
  side: "side",
  speed: "speed",
  memory: "peak memory",
  ratio: "tptt is",
  goal: "goal",
  met: "met",
  limit: "of the limit",
};

const number = (x: number): string => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
const gigabytes = (bytes: number): string => `${number(bytes / 1e9)} GB`;

/** A goal, and whether it is reached. */
interface Verdict {
  readonly goal: string;
  readonly met: boolean;
}

/** A row's lines: the package first, then what it is compared with. */
export function linesOf(row: MeasuredRow): Line[] {
  const { ours, references, gflopPerToken } = row;
  const measured = ours.failed === undefined;
  const own: Verdict[] = [];
  const { seconds, bytes } = row.atMost ?? {};
  if (seconds !== undefined)
    own.push({ goal: `<= ${seconds} s`, met: measured && median(ours.seconds) <= seconds });
  if (bytes !== undefined)
    own.push({ goal: `<= ${bytes / 1e9} GB`, met: measured && ours.peakBytes <= bytes });
  const share = measured && gflopPerToken ? (speedOf(ours) * gflopPerToken) / limitGflops : undefined;
  const first: Line = {
    work: row.name,
    ...figures(ours),
    ratio: "",
    ...verdict(own),
    limit: share === undefined ? "" : `${(100 * share).toFixed(0)} %`,
  };
  return [first, ...references.map((reference) => comparison(ours, reference))];
}

function comparison(ours: Side & Measured, reference: Reference & Measured): Line {
  const { atLeast, memoryAtMost } = reference;
  const measured = ours.failed === undefined && reference.failed === undefined;
  const faster = measured ? speedOf(ours) / speedOf(reference) : 0;
  const larger = measured ? ours.peakBytes / reference.peakBytes : 0;
  const goals: Verdict[] = [];
  if (atLeast !== undefined) goals.push({ goal: `>= ${round(atLeast)}x`, met: faster >= atLeast });
  if (memoryAtMost !== undefined)
    goals.push({ goal: `memory <= ${memoryAtMost}x`, met: measured && larger <= memoryAtMost });
  return {
    work: "",
    ...figures(reference),
    ratio: measured ? `${number(faster)}x${memoryAtMost ? `, memory ${number(larger)}x` : ""}` : "",
    ...verdict(goals),
    limit: "",
  };
}

const round = (x: number): number => Number(x.toFixed(2));

function figures(side: Side & Measured): Pick<Line, "side" | "speed" | "memory"> {
  if (side.failed !== undefined) return { side: side.name, speed: `failed: ${side.failed}`, memory: "" };
  const seconds = median(side.seconds);
  const time = seconds < 1 ? `${number(seconds * 1000)} ms` : `${number(seconds)} s`;
  const speed = side.tokens === undefined ? time : `${number(speedOf(side))} tok/s`;
  return { side: side.name, speed, memory: gigabytes(side.peakBytes) };
}

const verdict = (verdicts: readonly Verdict[]): Pick<Line, "goal" | "met"> => ({
  goal: verdicts.map(({ goal }) => goal).join(", "),
  met: verdicts.map(({ met }) => (met ? "yes" : "no")).join(", "),
});

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
