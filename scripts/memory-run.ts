/**
 * Trains for a long time, with evaluations, checkpoints and their rotation, and fails when the memory of the process
 * grows: the mean of the last quarter of the steps may lie so many MB above that of the second.
 *
 *     npm run memory -- --steps 2000 --limit 16
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Example, LiZACallback, Random, TpttModel, Trainer, trainingArguments } from "../src/index.js";

const { values } = parseArgs({
  options: { steps: { type: "string", default: "2000" }, limit: { type: "string", default: "16" } },
});
const [steps, limit] = [Number(values.steps), Number(values.limit)];

const model = await TpttModel.fromPretrained(fileURLToPath(new URL("../assets/tiny", import.meta.url)), {
  operatorMode: "delta_rule",
  loraConfig: { r: 8 },
});
/** Of many lengths, so that several graphs are at work. */
const examples = (count: number, seed: number): Example[] => {
  const random = Random.for(seed, "memory");
  return Array.from({ length: count }, () => {
    const inputIds = Array.from({ length: 8 + random.below(120) }, () => random.below(64));
    return { inputIds, labels: inputIds };
  });
};

const output = await mkdtemp(join(tmpdir(), "tptt-memory-"));
/** MB that the process has in memory, after each step. */
const resident: number[] = [];
const start = performance.now();
try {
  await new Trainer({
    model,
    args: trainingArguments({
      max_steps: steps,
      batch_size: 2,
      max_length: 128,
      eval_steps: 100,
      save_steps: 50,
      save_total_limit: 2,
    }),
    trainDataset: examples(200, 0),
    evalDataset: examples(8, 1),
    outputDir: output,
    callbacks: [new LiZACallback(model)],
    observer: { onStep: () => resident.push(process.memoryUsage.rss() / 2 ** 20) },
  }).train();
} finally {
  await rm(output, { recursive: true, force: true });
  await model.dispose();
}

const quarter = (i: number) => {
  const part = resident.slice((i * steps) / 4, ((i + 1) * steps) / 4);
  return part.reduce((sum, mb) => sum + mb, 0) / part.length;
};
const quarters = [0, 1, 2, 3].map((i) => Number(quarter(i).toFixed(1)));
const growth = Number((quarters[3]! - quarters[1]!).toFixed(1));
const seconds = Math.round((performance.now() - start) / 1000);
console.log(JSON.stringify({ steps, quarters_mb: quarters, growth_mb: growth, limit_mb: limit, seconds }));
if (growth > limit) throw new Error(`memory grew by ${growth} MB, at most ${limit} is expected`);
