/**
 * Fills a cache from a local hub, and reads offline the one that Python filled. See check-hub.py.
 *
 *     check-hub.ts fill HUB_FOLDER WORK MODEL_FIXTURE   # repositories for a hub that is not yet running
 *     check-hub.ts ours WORK                            # HF_ENDPOINT is the hub: downloads, trains nothing, pushes a titan
 *     check-hub.ts python WORK RESULTS                  # adds what was read offline to Python's results
 */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../src/cli/run.js";
import { readDataset, TpttModel } from "../src/index.js";
import type { Results } from "./results.js";
import { writeResults } from "./results.js";

const [step, first = "", second = "", third = ""] = process.argv.slice(2);
const options = { operatorMode: "delta_rule", loraConfig: { r: 2 } } as const;

if (step === "fill") {
  const [model, dataset] = [join(first, "models/org/tiny"), join(first, "datasets/org/rows/data")];
  await mkdir(dataset, { recursive: true });
  for (const name of ["config.json", "model.safetensors"]) await cp(join(third, name), join(model, name));
  await writeFile(join(model, "README.md"), "# Tiny\n");
  await writeFile(join(model, "pytorch_model.bin"), "never downloaded");
  await writeFile(join(dataset, "train.jsonl"), '{"text": "one"}\n{"text": "two"}\n');
  await writeFile(join(dataset, "test.jsonl"), '{"text": "three"}\n');
  await mkdir(second, { recursive: true });
} else if (step === "ours") {
  process.env.HF_HOME = join(first, "ours");
  const model = await TpttModel.fromPretrained("org/tiny", options);
  await model.savePretrained(join(first, "titan"));
  await model.dispose();
  await requireRows();
  const { stdin, stdout, stderr } = process;
  const code = await run(["push", join(first, "titan"), "me/titan"], {
    stdin,
    stdout,
    stderr,
    onInterrupt: () => () => {},
  });
  if (code !== 0) throw new Error(`check-hub: tptt push ended with ${code}`);
} else if (step === "python") {
  process.env.HF_HOME = join(first, "python");
  process.env.HF_HUB_OFFLINE = "1";
  const results = JSON.parse(await readFile(join(second, "hub.json"), "utf8")) as Results;
  const model = await TpttModel.fromPretrained("org/tiny", options);
  await model.dispose();
  await requireRows();
  const rows = [
    "a model that Python downloaded is opened offline",
    "a data set that Python downloaded is read offline",
  ];
  await writeResults(second, "hub", {
    ...results,
    rows: [...results.rows, ...rows.map((what) => ({ what, found: "as expected" }))],
  });
} else throw new Error("usage: check-hub.ts fill|ours|python ...");

async function requireRows(): Promise<void> {
  const found = JSON.stringify(await readDataset("org/rows"));
  if (found !== '[{"text":"one"},{"text":"two"}]')
    throw new Error(`check-hub: the rows of org/rows are ${found}`);
}
