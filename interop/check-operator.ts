/**
 * Computes the cases that check-operator.py wrote, and writes by mode, length and mask how far they are from Python.
 *
 *     node --conditions=source --import tsx interop/check-operator.ts FOLDER RESULTS.json
 *
 * RESULTS.json holds { rows }: the largest differences of a row's cases, relative to the largest number of a result.
 * Where a memory nearly cancels, float32 itself is not good for 1e-5: what differs by more from Python's float32 must
 * then be about as near to Python's float64 (within a factor of 4) as Python's own float32 is.
 */
import { readFile, writeFile } from "node:fs/promises";
import {
  difference,
  type OperatorCase,
  type OperatorShape,
  operatorResults,
  readTensors,
  runOperatorCase,
} from "../test/tptt/operator-cases.js";

const [folder, results] = process.argv.slice(2);
if (folder === undefined || results === undefined)
  throw new Error("usage: check-operator.ts FOLDER RESULTS.json");
const tolerance = 1e-5;

/** The largest differences of some cases. */
interface Row {
  readonly mode: string;
  readonly length: number;
  readonly mask: string;
  cases: number;
  /** From Python's float32. */
  output: number;
  state: number;
  gradient: number;
  /** Results that differ by more than 1e-5 there, and how far these are from Python's float64: ours, and Python's own. */
  beyond: number;
  ours64: number;
  python64: number;
}

const { shape, cases } = JSON.parse(await readFile(`${folder}/cases.json`, "utf8")) as {
  shape: OperatorShape;
  cases: OperatorCase[];
};
const tensors = await readTensors(`${folder}/cases.safetensors`);
const rows = new Map<string, Row>();
const wrong: string[] = [];

for (const [i, one] of cases.entries()) {
  const mode = one.mode || `order ${one.order}, other gates and tricks`;
  const { length, mask } = one;
  const key = `${mode} ${length} ${mask}`;
  const none = { cases: 0, output: 0, state: 0, gradient: 0, beyond: 0, ours64: 0, python64: 0 };
  const row = rows.get(key) ?? { mode, length, mask, ...none };
  rows.set(key, row);
  row.cases++;
  const computed = await runOperatorCase(one, shape, tensors);
  for (const name of operatorResults) {
    const kind = name === "output" || name === "state" ? name : "gradient";
    const single = difference(computed[name], tensors.get(`${i}.single.${name}`)!);
    if (single <= tolerance) {
      row[kind] = Math.max(row[kind], single);
      continue;
    }
    const exact = difference(computed[name], tensors.get(`${i}.exact.${name}`)!);
    const own = one.rounding[name]!;
    row.beyond++;
    row.ours64 = Math.max(row.ours64, exact);
    row.python64 = Math.max(row.python64, own);
    if (!(exact <= Math.max(tolerance, 4 * own)))
      wrong.push(`${name} of ${JSON.stringify(one)}: ${exact}, Python's float32 ${own}`);
  }
}
const sorted = [...rows.values()].sort(
  (a, b) => a.mode.localeCompare(b.mode) || a.length - b.length || a.mask.localeCompare(b.mask),
);
await writeFile(results, `${JSON.stringify({ rows: sorted }, null, 2)}\n`);
const worst = (name: "output" | "state" | "gradient") =>
  Math.max(...sorted.map((row) => row[name])).toExponential(1);
const beyond = sorted.reduce((sum, row) => sum + row.beyond, 0);
console.log(
  `${cases.length} cases: output ${worst("output")}, memory ${worst("state")}, gradients ${worst("gradient")}; ` +
    `${beyond} of ${operatorResults.length * cases.length} results compared in float64`,
);
if (wrong.length > 0) throw new Error(`further from Python than rounding explains:\n${wrong.join("\n")}`);
