/** Writes docs/interop.md from what the scripts of this folder measured: write-report.ts RESULTS [FILE] */
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "../src/io/atomic-file.js";
import type { Results } from "./results.js";

const [folder, file = fileURLToPath(new URL("../docs/interop.md", import.meta.url))] = process.argv.slice(2);
if (!folder) throw new Error("usage: write-report.ts RESULTS [FILE]");

/** The order of the sections; what is not named here comes before the last. */
const first = ["operator", "backbones", "encoders"];
const last = "faults";

const names = (await readdir(folder))
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.slice(0, -5));
const rank = (name: string) => (name === last ? 99 : first.includes(name) ? first.indexOf(name) : 50);
names.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));

const cell = (value: string | number | undefined): string =>
  typeof value === "number"
    ? Number.isInteger(value)
      ? String(value)
      : value.toExponential(1)
    : (value ?? "");

function section({ title, text, rows }: Results): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const line = (cells: readonly string[]) => `| ${cells.map((c) => c.replaceAll("|", "\\|")).join(" | ")} |`;
  const table = [
    line(columns),
    line(columns.map(() => "---")),
    ...rows.map((row) => line(columns.map((column) => cell(row[column])))),
  ];
  return [`## ${title}`, ...(text ? [text] : []), table.join("\n")].join("\n\n");
}

const sections = await Promise.all(
  names.map(async (name) => section(JSON.parse(await readFile(`${folder}/${name}.json`, "utf8")) as Results)),
);
const head = `# Beside Python

What this project computes, beside the Python package \`tptt\` 0.12.1 with PyTorch, transformers and PEFT in the versions
of \`interop/requirements.txt\`. Everything here is measured by \`bash interop/run.sh\`, which also writes this page; every
figure has a limit there, and the script fails beyond it. \`npm test\` checks the same against small files that the same
scripts made, without Python.`;
await writeFileAtomic(file, `${[head, ...sections].join("\n\n")}\n`);
