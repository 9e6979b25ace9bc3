/**
 * Writes docs/performance.md, and the plots that it shows, from reports of `npm run bench -- --report REPORT.json`:
 * write-docs.js REPORT.json.. Several of one machine make one page, such as the profiles of another run.
 */
import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "#dist/io/atomic-file.js";
import { growthPlot } from "./plot.js";
import type { Profile, Share } from "./profile.js";
import { headings, linesOf, markdownTable, type Report } from "./report.js";
import { limitGflops, type MeasuredRow, median } from "./row.js";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const titles: Readonly<Record<string, string>> = {
  operator: "Linear attention operator",
  train: "Training step",
  decode: "Decoding",
  prefill: "Prefill",
  load: "Start",
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
  const parts = [head(report, reports.length)];
  for (const suite of suites) {
    const rows = report.rows.filter((row) => row.suite === suite);
    parts.push(
      `## ${titles[suite] ?? suite}`,
      markdownTable([{ ...headings }, ...rows.flatMap(linesOf).map(spread)]),
    );
    const notes = rows.filter(({ note }) => note).map(({ name, note }) => `- ${name}: ${note}.`);
    if (notes.length > 0) parts.push(notes.join("\n"));
    parts.push(...(await plots(rows)));
  }
  if (report.profiles.length > 0)
    parts.push("## Where the time goes", ...report.profiles.map(profileSection));
  await writeFileAtomic(`${docs}performance.md`, `${parts.join("\n\n")}\n`);
}

const spread = <T extends object>(line: T): Record<string, string> => ({ ...line }) as Record<string, string>;

function head({ date, machine, versions, rows, model }: Report, runs: number): string {
  const { cpu, cores, memoryBytes, system, load } = machine;
  const busy =
    load > cores / 2
      ? ` It was busy with other work (load ${load.toFixed(1)}): speeds are below what it does alone, and ratios may differ.`
      : "";
  const together =
    runs > 1
      ? `\n- This page puts together ${runs} runs: rows of different sections were not measured under the same load.`
      : "";
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `# Performance

Measured by \`npm run bench\` on ${date.slice(0, 10)}; this page is written by \`npm run bench:report -- REPORT.json\`. The
harness is described in [decision 9](decisions/0009-benchmark.md).

- Machine: ${cpu}, ${cores} cores, ${(memoryBytes / 1e9).toFixed(0)} GB, ${system}.${busy}${together}
- Versions: ${list.join(", ")}.
- Model: ${model.split("/").at(-1)}, in f32 on all sides but llama.cpp, which reads the file's own quantised weights.
- Figures are medians of ${repetitions(rows)} repetitions after a warm-up; sides take turns. "tptt is" says how many times as fast as
  the side of that line the package is. Peak memory is that of the whole process, weights included.
- "Of the limit" is the share of ${limitGflops} GFLOP/s, what large f32 products reach on 2 such cores, that the work's own products make up.`;
}

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
  const counts = rows.filter(({ ours }) => ours.failed === undefined).map(({ ours }) => ours.seconds.length);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return fewest === most ? String(most) : `${fewest} to ${most}`;
}

const files = process.argv.slice(2);
const reports = await Promise.all(
  files.map(async (file) => JSON.parse(await readFile(file, "utf8")) as Report),
);
const [first] = reports;
if (!first) throw new Error("usage: npm run bench:report -- REPORT.json..");
await writeDocs({
  ...first,
  versions: Object.assign({}, ...reports.map(({ versions }) => versions)),
  machine: { ...first.machine, load: Math.max(...reports.map(({ machine }) => machine.load)) },
  rows: reports.flatMap(({ rows }) => rows),
  profiles: reports.flatMap(({ profiles }) => profiles),
});
process.stdout.write("wrote docs/performance.md\n");
