/**
 * Computes the cases that check-operator.py wrote: check-operator.ts CASES RESULTS. Writes RESULTS/operator.json.
 *
 * Where a memory nearly cancels, float32 itself is not good for 1e-5: what differs by more from Python's float32 must
 * then be about as near to Python's float64 (within a factor of 4) as Python's own float32 is.
 */
import { readFile } from "node:fs/promises";
import { readTensors, relativeDifference } from "../test/tensors.js";
import {
  type OperatorCase,
  type OperatorShape,
  operatorResults,
  runOperatorCase,
} from "../test/tptt/memory/operator-cases.js";
import { writeResults } from "./results.js";

const [folder, results] = process.argv.slice(2);
if (!folder || !results) throw new Error("usage: check-operator.ts CASES RESULTS");
const tolerance = 1e-5;

const { shape, cases } = JSON.parse(await readFile(`${folder}/cases.json`, "utf8")) as {
  shape: OperatorShape;
  cases: OperatorCase[];
};
const tensors = await readTensors(`${folder}/cases.safetensors`);

/** The groups of cases that a case belongs to. */
const groupsOf = (one: OperatorCase): string[] => [
  one.mode || `order ${one.order}, other gates and tricks`,
  ...(one.order > 1 ? [`trick ${one.trick}`] : []),
  `length ${one.length}`,
  `mask ${one.mask}`,
  ...(one.linear ? [] : ["gelu"]),
  ...(one.lookahead ? ["lookahead"] : []),
  ...(one.bidirectional ? ["both directions"] : []),
];

/** The largest differences of some cases: from Python's float32, and of what is beyond the tolerance there, from its float64. */
interface Row {
  cases: number;
  output: number;
  memory: number;
  gradients: number;
  beyond_tolerance: number;
  ours_to_float64: number;
  python_to_float64: number;
}
const rows = new Map<string, Row>();
const empty = {
  cases: 0,
  output: 0,
  memory: 0,
  gradients: 0,
  beyond_tolerance: 0,
  ours_to_float64: 0,
  python_to_float64: 0,
};

for (const [i, one] of cases.entries()) {
  const own: Row = { ...empty, cases: 1 };
  const computed = await runOperatorCase(one, shape, tensors);
  for (const name of operatorResults) {
    const kind = name === "output" ? "output" : name === "state" ? "memory" : "gradients";
    const single = relativeDifference(computed[name], tensors.get(`${i}.single.${name}`)!);
    if (single <= tolerance) {
      own[kind] = Math.max(own[kind], single);
      continue;
    }
    const exact = relativeDifference(computed[name], tensors.get(`${i}.exact.${name}`)!);
    const rounding = one.rounding[name]!;
    if (!(exact <= Math.max(tolerance, 4 * rounding)))
      throw new Error(
        `${name} of ${JSON.stringify(one)} differs by ${exact}, Python's float32 by ${rounding}`,
      );
    own.beyond_tolerance++;
    own.ours_to_float64 = Math.max(own.ours_to_float64, exact);
    own.python_to_float64 = Math.max(own.python_to_float64, rounding);
  }
  for (const group of groupsOf(one)) {
    const row = rows.get(group) ?? { ...empty };
    for (const name of ["cases", "beyond_tolerance"] as const) row[name] += own[name];
    for (const name of ["output", "memory", "gradients", "ours_to_float64", "python_to_float64"] as const)
      row[name] = Math.max(row[name], own[name]);
    rows.set(group, row);
  }
}
await writeResults(results, "operator", {
  title: "Operator",
  text:
    `The form \`tptt-0.12\`, ${cases.length} cases: outputs, last memories and gradients of a layer, beside the package's ` +
    "own in float32. Largest difference divided by the largest number of the result. A memory may nearly cancel: where a " +
    "result is beyond the tolerance of 1e-5, both sides are compared with the package's own run in float64, and ours may " +
    "be no more than 4 times as far from it.",
  rows: [...rows].sort(([a], [b]) => a.localeCompare(b)).map(([group, row]) => ({ group, ...row })),
});
