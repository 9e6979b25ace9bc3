/**
 * Measures every tiny model of make-fixtures.py that predicts tokens, against Python and against itself:
 * check-backbones.ts MODELS RESULTS. Writes RESULTS/backbones.json.
 */
import { readdir } from "node:fs/promises";
import { readExpected } from "../test/models/fixture.js";
import { compareWithItself, compareWithPython } from "../test/tptt/backbone-check.js";
import { writeResults } from "./results.js";

const [models, results] = process.argv.slice(2);
if (!models || !results) throw new Error("usage: check-backbones.ts MODELS RESULTS");

/** What the plain models are compared with, where transformers has none. */
const references: Readonly<Record<string, string>> = {
  openelm: "a PyTorch module of its own and a float64 loop, from Apple's definition",
  dream: "transformers' Qwen2 that sees ahead and a float64 loop, from the authors' definition",
};

const rows: Record<string, string | number>[] = [];
for (const name of (await readdir(models)).sort()) {
  const folder = `${models}/${name}`;
  const expected = await readExpected(folder);
  if (!expected.has("logits")) continue;
  const differences = { ...(await compareWithPython(folder)), ...(await compareWithItself(folder)) };
  for (const [what, difference] of Object.entries(differences)) {
    const limit = what.endsWith("gradients") ? 1e-3 : 1e-4;
    if (!(difference < limit))
      throw new Error(`${name}: ${what} differ by ${difference}, more than ${limit}`);
  }
  rows.push({ model: name, reference: references[name.split("-")[0]!] ?? "transformers", ...differences });
}
await writeResults(results, "backbones", {
  title: "Backbones",
  text:
    "Tiny random models. Plain and with LoRA against transformers and PEFT; as titans (gated_delta_product, mu 0.5, " +
    "form `tptt-0.12`) against the Python package; in the exact form decoding in pieces against one pass, and the " +
    "output after saving and loading. Logits and losses: largest difference; gradients: largest difference divided " +
    "by the largest gradient of the matrix.",
  rows,
});
