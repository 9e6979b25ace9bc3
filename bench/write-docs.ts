/**
 * Writes docs/performance.md, and the plots that it shows, from the report of `npm run bench`: write-docs.js [REPORT.json..].
 * Several of one machine make one page, such as the two halves of a run that was cut off.
 */
import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "#dist/io/atomic-file.js";
import { growthPlot } from "./plot.js";
import type { Profile, Share } from "./profile.js";
import {
  goalHeadings,
  goalLinesOf,
  headings,
  linesOf,
  markdownTable,
  type Report,
  reportFile,
} from "./report.js";
import { type MeasuredRow, median } from "./row.js";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const titles: Readonly<Record<string, string>> = {
  operator: "Linear attention operator",
  train: "Training step",
  decode: "Decoding",
  prefill: "Prefill",
  load: "Start",
  accuracy: "Accuracy of quantised weights",
  memory: "Growth",
};
const axes = {
  length: "tokens (B1, gradient checkpointing)",
  layers: "layers (Llama of width 256, 8192 words, B1 S256)",
  vocabulary: "words (Llama of width 256, 4 layers, B1 S256)",
} as const;

/** Writes the page. */
async function writeDocs(report: Report): Promise<void> {
  const suites = [...new Set(report.rows.map(({ suite }) => suite))];
  const { limits } = report.machine;
  const goals = report.rows.flatMap((row) => goalLinesOf(row, limits));
  const parts = [
    head(report, reports.length),
    "## Goals",
    `${goals.filter(({ met }) => met === "yes").length} of ${goals.length} are met.`,
    markdownTable([{ ...goalHeadings }, ...goals.map(spread)]),
  ];
  for (const suite of suites) {
    const rows = report.rows.filter((row) => row.suite === suite);
    parts.push(
      `## ${titles[suite] ?? suite}`,
      markdownTable([{ ...headings }, ...rows.flatMap((row) => linesOf(row, limits)).map(spread)]),
    );
    const notes = rows.filter(({ note }) => note).map(({ name, note }) => `- ${name}: ${note}.`);
    if (notes.length > 0) parts.push(notes.join("\n"));
    parts.push(...(await plots(rows)));
  }
  parts.push("## GPU", "Not measured: nothing on this page ran on a GPU.");
  if (report.profiles.length > 0)
    parts.push(
      "## Where the time goes",
      "In the rows that miss a goal: time in ONNX Runtime's kernels.",
      ...report.profiles.map(profileSection),
    );
  await writeFileAtomic(`${docs}performance.md`, `${parts.join("\n\n")}\n`);
}

const spread = <T extends object>(line: T): Record<string, string> => ({ ...line }) as Record<string, string>;

function head({ date, machine, versions, rows, model }: Report, runs: number): string {
  const { cpu, cores, memoryBytes, system, load, limits } = machine;
  const together =
    runs > 1
      ? `\n- This page puts together ${runs} runs: rows of different sections were not measured under the same load.`
      : "";
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `# Performance

Measured by \`npm run bench\` on ${date.slice(0, 10)}; this page is written by \`npm run bench:report -- REPORT.json\`. The
harness is described in [decision 9](decisions/0009-benchmark.md).

- Machine: ${cpu}, ${cores} cores, ${(memoryBytes / 1e9).toFixed(0)} GB, ${system}; load ${load.toFixed(2)} at the start. ${quiet(rows)}${together}
- Versions: ${list.join(", ")}.
- Model: ${model.split("/").at(-1)}. "f32", "int8" and "int4" say how the weights are held; "the file's blocks": as the file has them,
  as \`tptt generate\` does by default. llama.cpp reads the file as it is, PyTorch has f32.
- Speeds are medians of ${repetitions(rows)} repetitions after a warm-up, unless a line says otherwise; sides take turns. "Compared" says
  how many times as fast as the side of that line the package is, or how far that side's loss lies from f32's.
- Peak memory is that of the whole process, weights included.
- "Of the limit": this machine gave ${limits.gflops.toFixed(0)} GFLOP/s in large f32 products and read ${(limits.bytesPerSecond / 1e9).toFixed(0)} GB/s of memory at best. The
  share is what the row needs at least (products of training, prefill and the operator's recurrence; for decoding, one
  reading of the file's weights a token) at that speed, divided by the time that it took.
- Measuring all of it took ${(sum(rows.map(({ took }) => took)) / 60).toFixed(0)} minutes.`;
}

/** Whether other work went on. */
function quiet(rows: readonly MeasuredRow[]): string {
  const busy = rows.filter((row) => row.busy > 0.1);
  if (busy.length === 0) return "It was idle before each row.";
  const most = Math.max(...busy.map((row) => row.busy));
  return `It was busy with other work before ${busy.length} of ${rows.length} rows (up to ${(100 * most).toFixed(0)} % of its cores): speeds are below what it does alone, and ratios may differ.`;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

async function plots(rows: readonly MeasuredRow[]): Promise<string[]> {
  const links: string[] = [];
  for (const axis of ["length", "layers", "vocabulary"] as const) {
    const points = rows.flatMap(({ growth, ours }) =>
      growth?.axis === axis && ours.failed === undefined
        ? [{ value: growth.value, seconds: median(ours.seconds), gigabytes: ours.peakBytes / 1e9 }]
        : [],
    );
    if (points.length < 2) continue;
    await mkdir(`${docs}performance`, { recursive: true });
    await writeFileAtomic(`${docs}performance/${axis}.svg`, await growthPlot(axes[axis], points));
    links.push(`![Seconds and memory of a training step against ${axis}](performance/${axis}.svg)`);
  }
  return links;
}

function profileSection({ work, seconds, byOp, byPart, byLayer }: Profile): string {
  const table = (heading: string, shares: readonly Share[]) =>
    markdownTable([
      { name: heading, share: "share", count: "runs" },
      ...shares.slice(0, 10).map(({ name, seconds: own, count }) => ({
        name,
        share: `${((100 * own) / seconds).toFixed(1)} %`,
        count: String(count),
      })),
    ]);
  return [
    `### ${work}`,
    table("op", byOp),
    ...(byLayer.length > 1 ? [table("part", byPart), table("layer", byLayer)] : []),
  ].join("\n\n");
}

/** How many repetitions the rows have. */
function repetitions(rows: readonly MeasuredRow[]): string {
  const counts = rows
    .filter(({ ours, once }) => ours.failed === undefined && !once)
    .map(({ ours }) => ours.seconds.length);
  if (counts.length === 0) return "no";
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return fewest === most ? String(most) : `${fewest} to ${most}`;
}

const given = process.argv.slice(2);
const files = given.length > 0 ? given : [reportFile];
const reports = await Promise.all(
  files.map(async (file) => JSON.parse(await readFile(file, "utf8")) as Report),
);
const first = reports[0]!;
await writeDocs({
  ...first,
  versions: Object.assign({}, ...reports.map(({ versions }) => versions)),
  machine: { ...first.machine, load: Math.max(...reports.map(({ machine }) => machine.load)) },
  rows: reports.flatMap(({ rows }) => rows),
  profiles: reports.flatMap(({ profiles }) => profiles),
});
process.stdout.write("wrote docs/performance.md\n");
