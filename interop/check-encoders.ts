/**
 * Measures the tiny models that predict no tokens against transformers, PEFT and the reference titan:
 * check-encoders.ts RESULTS. Writes RESULTS/encoders.json.
 */
import { readdir } from "node:fs/promises";
import { fixtureFolder, readExpected } from "../test/models/fixture.js";
import { compareEncoder } from "../test/tptt/encoder-check.js";
import { writeResults } from "./results.js";

const [results] = process.argv.slice(2);
if (!results) throw new Error("usage: check-encoders.ts RESULTS");

const rows: Record<string, string | number>[] = [];
for (const name of (await readdir(fixtureFolder(""))).sort()) {
  const expected = await readExpected(fixtureFolder(name));
  if (!expected.has("last_hidden_state")) continue;
  const differences = await compareEncoder(name);
  for (const [what, difference] of Object.entries(differences)) {
    const limit = what.endsWith("gradients") ? 1e-3 : 1e-4;
    if (!(difference < limit))
      throw new Error(`${name}: ${what} differ by ${difference}, more than ${limit}`);
  }
  rows.push({ model: name, ...differences });
}
await writeResults(results, "encoders", {
  title: "Encoders",
  text:
    "Tiny random models that give hidden states. Plain and with LoRA against transformers and PEFT. The Python package " +
    "cannot titanize them under this transformers, so as titans (in the exact form, with a causal memory of order 2 and " +
    "a bidirectional one of order 3, mu 0.5) against a loop over tokens in float64, `interop/reference/titan.py`. Hidden " +
    "states and pooled outputs: largest difference; gradients of a weighted sum of all outputs: largest difference " +
    "divided by the largest gradient of the matrix.",
  rows,
});
