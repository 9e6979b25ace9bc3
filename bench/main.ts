/**
 * Measures speed and memory, beside the Python reference and llama.cpp where they are installed (npm run bench:setup):
 *
 *     npm run bench -- --suites operator,train --python interop/.venv/bin/python --repeat 5 --report report.json
 *
 * With --profile nothing is timed; the report tells where the time of our side of every row goes.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { TpttModel } from "#dist/index.js";
import { writeFileAtomic } from "#dist/io/atomic-file.js";
import { describeMachine, packageVersion } from "./machine.js";
import { measureRow } from "./measure.js";
import { type Profile, profileSide, type Share } from "./profile.js";
import { linesOf, type Report, terminalTable } from "./report.js";
import type { MeasuredRow, Row, Suite, SuiteOptions } from "./row.js";
import { decode } from "./suites/decode.js";
import { load } from "./suites/load.js";
import { memory } from "./suites/memory.js";
import { operator } from "./suites/operator.js";
import { prefill } from "./suites/prefill.js";
import { train } from "./suites/train.js";

const suites: Readonly<Record<string, Suite>> = { operator, train, decode, prefill, load, memory };
const { values } = parseArgs({
  options: {
    suites: { type: "string", default: Object.keys(suites).join() },
    python: { type: "string" },
    model: { type: "string" },
    repeat: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    report: { type: "string" },
  },
});
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const say = (text: string) => process.stdout.write(`${text}\n`);

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
const llama = existsSync(here("../.llama/node_modules/node-llama-cpp"));
const { python } = values;
if (!python) say("without --python: nothing of PyTorch is measured");
if (!llama) say("llama.cpp is not installed (npm run bench:setup): it is not measured");

const machine = describeMachine();
const versions: Record<string, string> = { tptt: await packageVersion() };
const scratch = await mkdtemp(join(tmpdir(), "tptt-bench-"));
try {
  const options: SuiteOptions = {
    model,
    ...(python ? { folder: await writeFolder() } : {}),
    llama,
    quick: values.quick,
    scratch,
  };
  const rows: MeasuredRow[] = [];
  const profiles: Profile[] = [];
  for (const name of chosen) {
    for (const row of await suites[name]!(options)) {
      if (values.profile) {
        const profile = await profileSide(`${name}: ${row.name}`, row.ours);
        profiles.push(profile);
        say(profileText(profile));
      } else {
        rows.push(await measure(name, row));
      }
      // After each row: a run that is cut off leaves what it has measured.
      await write({ date: new Date().toISOString(), machine, versions, model, repeat, rows, profiles });
    }
  }
  say("");
  for (const name of rows.length > 0 ? chosen : [])
    say(`${name}\n${terminalTable(rows.filter(({ suite }) => suite === name).flatMap(linesOf))}\n`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}

async function write(report: Report): Promise<void> {
  if (values.report) await writeFileAtomic(values.report, `${JSON.stringify(report, null, 2)}\n`);
}

async function measure(suite: string, row: Row): Promise<MeasuredRow> {
  const measured = await measureRow(suite, row, {
    repeat,
    python,
    onVersions: (found) => Object.assign(versions, found),
  });
  for (const { work, side, speed, memory, ratio, met } of linesOf(measured))
    say([work && `${suite}: ${work}\n `, side, speed, memory, ratio, met].filter(Boolean).join("  "));
  return measured;
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
