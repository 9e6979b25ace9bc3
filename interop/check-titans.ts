/**
 * Loads what make-titans.py wrote with the Python packages, and compares logits: check-titans.ts FOLDER RESULTS.
 * Writes RESULTS/titans-from-python.json.
 */
import { readdir } from "node:fs/promises";
import { TpttModel } from "../src/tptt/tptt-model.js";
import { largestDifference, readTensors } from "../test/tensors.js";
import { writeResults } from "./results.js";

const [folder, results] = process.argv.slice(2);
if (!folder || !results) throw new Error("usage: check-titans.ts FOLDER RESULTS");
const limit = 1e-4;

/** A row for each base model, a column for each kind of titan or adapter. */
const rows = new Map<string, Record<string, string | number>>();
for (const entry of (await readdir(folder, { withFileTypes: true })).filter((e) => e.isDirectory())) {
  const expected = await readTensors(`${folder}/${entry.name}.safetensors`);
  const model = await TpttModel.fromPretrained(`${folder}/${entry.name}`);
  const { logits } = await model.forward({ inputIds: expected.get("input_ids")! });
  const difference = largestDifference(logits, expected.get("logits")!);
  if (!(difference < limit))
    throw new Error(`${entry.name}: logits differ by ${difference}, more than ${limit}`);
  const [, base = "", kind = ""] = /^(.*)-((?:full|lora|peft)-.*)$/.exec(entry.name) ?? [];
  const row = rows.get(base) ?? { "base model": base };
  rows.set(base, { ...row, [kind.replace("-", ", ")]: difference });
  await model.dispose();
}
if (rows.size === 0) throw new Error(`${folder}: nothing to check`);
await writeResults(results, "titans-from-python", {
  title: "Saved by Python, loaded here",
  text:
    "Titans of the Python package (`save_pretrained`; with LoRA, and with the projections trained themselves; mu 0.5) " +
    "and plain PEFT adapters: largest difference of logits.",
  rows: [...rows.values()].sort((a, b) => String(a["base model"]).localeCompare(String(b["base model"]))),
});
