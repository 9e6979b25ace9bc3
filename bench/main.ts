/** `npm run bench`: measures the suites row by row, writes the report as it goes. See usage. */
import { execFileSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { TpttModel } from "#dist/index.js";
import { writeFileAtomic } from "#dist/io/atomic-file.js";
import { describeMachine, measureLimits, packageVersion } from "./machine.js";
import { measureRows } from "./measure.js";
import { type Profile, profileSide, type Share } from "./profile.js";
import { linesOf, misses, type Report, reportFile, terminalTable } from "./report.js";
import type { MeasuredRow, Row, Side, Suite, SuiteOptions } from "./row.js";
import { accuracy } from "./suites/accuracy.js";
import { decode } from "./suites/decode.js";
import { load } from "./suites/load.js";
import { memory } from "./suites/memory.js";
import { operator } from "./suites/operator.js";
import { prefill } from "./suites/prefill.js";
import { train } from "./suites/train.js";

const suites: Readonly<Record<string, Suite>> = { operator, train, decode, prefill, load, accuracy, memory };
const usage = `npm run bench -- [options]

Measures speed and memory, beside Python and llama.cpp where they are installed (npm run bench:setup). Rows that miss a
goal are profiled. The report is written after each row; npm run bench:report makes docs/performance.md of it.

  --python PATH    a Python with PyTorch, transformers, PEFT and tptt, to measure beside
  --suites A,B     only these, of ${Object.keys(suites).join(", ")}
  --rows TEXT      only rows that have this in their names
  --repeat N       repetitions after the warm-up; default 5. Others than the package do once what takes
                   them over 20 s
  --quick          leaves out, or makes smaller, what takes minutes
  --profile        measures nothing, profiles all rows
  --model PATH     the GGUF file; default Gemma 3 270M, which scripts/get-gemma.sh fetches
  --text PATH      the text for the suite accuracy; default $TPTT_TEXT
  --report PATH    default bench/report.json
  --help           this
`;
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { values } = parseArgs({
  options: {
    suites: { type: "string", default: Object.keys(suites).join() },
    rows: { type: "string", default: "" },
    python: { type: "string" },
    model: { type: "string" },
    text: { type: "string" },
    repeat: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    report: { type: "string", default: reportFile },
    help: { type: "boolean", default: false },
  },
});
const say = (text: string) => process.stdout.write(`${text}\n`);
if (values.help) {
  say(usage);
  process.exit();
}

const repeat = Number(values.repeat);
if (!(Number.isInteger(repeat) && repeat > 0))
  throw new Error(`--repeat is ${values.repeat}, expected a count`);
const chosen = values.suites.split(",");
for (const name of chosen)
  if (!(name in suites))
    throw new Error(`--suites names ${name}; there are ${Object.keys(suites).join(", ")}`);
const model = values.model
  ? resolve(values.model)
  : execFileSync("bash", [here("../../scripts/get-gemma.sh")], { encoding: "utf8" }).trim();
const text = [values.text ?? process.env.TPTT_TEXT, here("../../../shared/data/tinyshakespeare.txt")].find(
  (path) => path !== undefined && existsSync(path),
);
const llama = existsSync(here("../.llama/node_modules/node-llama-cpp"));
const { python } = values;
if (!python) say("without --python: nothing of PyTorch is measured");
if (!llama) say("llama.cpp is not installed (npm run bench:setup): it is not measured");
if (!text) say("without a text (--text, $TPTT_TEXT): accuracy is not measured");

const scratch = await mkdtemp(join(tmpdir(), "tptt-bench-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const started = performance.now();
let machine = await describeMachine();
const versions: Record<string, string> = { tptt: await packageVersion() };
const options: SuiteOptions = {
  model,
  fileBytes: (await stat(model)).size,
  ...(python ? { folder: await writeFolder() } : {}),
  ...(text ? { text } : {}),
  llama,
  quick: values.quick,
  scratch,
};
const rows: MeasuredRow[] = [];
const profiles: Profile[] = [];
for (const suite of chosen) {
  const all = (await suites[suite]!(options)).filter(({ name }) => name.includes(values.rows));
  for (const group of groups(all)) {
    if (!values.profile) rows.push(...(await measure(suite, group)));
    const wanted = values.profile
      ? group
      : rows.slice(-group.length).filter((row) => row.profile !== false && misses(row));
    for (const { name, ours } of wanted) await profile(`${suite}: ${name}`, ours);
    await write();
  }
}
machine = { ...machine, limits: await measureLimits(machine.limits) };
await write();
say("");
for (const name of rows.length > 0 ? chosen : []) {
  const lines = rows.filter(({ suite }) => suite === name).flatMap((row) => linesOf(row, machine.limits));
  say(`${name}\n${terminalTable(lines)}\n`);
}
say(`${((performance.now() - started) / 60_000).toFixed(1)} minutes; ${values.report}`);

/** Rows that are measured together. */
function groups(all: readonly Row[]): Row[][] {
  const result: Row[][] = [];
  for (const row of all) {
    const last = result.at(-1);
    if (row.group !== undefined && last?.[0]?.group === row.group) last.push(row);
    else result.push([row]);
  }
  return result;
}

async function measure(suite: string, group: readonly Row[]): Promise<MeasuredRow[]> {
  for (const { name } of group) say(`${suite}: ${name}`);
  const measured = await measureRows(suite, group, {
    repeat,
    python,
    scratch,
    onVersions: (found) => Object.assign(versions, found),
  });
  for (const row of measured) {
    for (const { side, measured: figure, memory, compared, goal, met } of linesOf(row, machine.limits))
      say(`  ${[side, figure, memory, compared, goal, met].filter(Boolean).join("  ")}`);
    say(`  ${row.took.toFixed(0)} s`);
  }
  return measured;
}

/** Where the time goes; a row that cannot be profiled ends no run. */
async function profile(label: string, side: Side): Promise<void> {
  try {
    const found = await profileSide(label, side);
    profiles.push(found);
    if (values.profile) say(profileText(found));
  } catch (error) {
    say(`${label} was not profiled: ${(error as Error).message}`);
  }
}

/** After each row: a run that is cut off leaves what it has measured. */
function write(): Promise<void> {
  const date = new Date().toISOString();
  const report: Report = { date, machine, versions, model, repeat, rows, profiles };
  return writeFileAtomic(values.report, `${JSON.stringify(report, null, 2)}\n`);
}

/** The model's weights as a Hugging Face folder in float32, which is what Python reads. */
async function writeFolder(): Promise<string> {
  const folder = join(scratch, "model");
  const titan = await TpttModel.fromPretrained(model, { operatorMode: "delta_rule" });
  try {
    await titan.saveMerged(folder);
  } finally {
    await titan.dispose();
  }
  return folder;
}

function profileText({ work, seconds, byOp, byLayer, byPart }: Profile): string {
  const line = ({ name, seconds: own, count }: Share) =>
    `  ${`${((100 * own) / seconds).toFixed(1)} %`.padStart(7)}  ${own.toFixed(2).padStart(7)} s  ${String(count).padStart(7)}  ${name}`;
  const part = (title: string, shares: readonly Share[]) => [title, ...shares.slice(0, 15).map(line)];
  return [work, ...part("by op type", byOp), ...part("by part", byPart), ...part("by layer", byLayer)].join(
    "\n",
  );
}
