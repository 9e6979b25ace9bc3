/**
 * Trains LoRA on a tiny Llama, plain and titanized, and writes all that check-training.py needs to do the same:
 * check-training.ts MODELS FOLDER. The adapter before and after is FOLDER/<kind>/ and FOLDER/<kind>-after/, the run
 * FOLDER/<kind>.json.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { collate } from "../src/data/collate.js";
import { Random, TpttModel, trainingArguments } from "../src/index.js";
import { Learner } from "../src/train/learner.js";
import { getScheduler } from "../src/train/schedule.js";

const [models, folder] = process.argv.slice(2);
if (!models || !folder) throw new Error("usage: check-training.ts MODELS FOLDER");

const fields = {
  max_steps: 20,
  learning_rate: 5e-3,
  lr_scheduler_type: "linear" as const,
  warmup_steps: 3,
  weight_decay: 0.1,
  max_grad_norm: 1,
};
const args = trainingArguments(fields);
const random = Random.for(2, "examples");
/** Three examples a step, of different lengths. */
const steps = Array.from({ length: fields.max_steps }, () =>
  [24, 17, 9].map((length) => Array.from({ length }, () => random.below(96))),
);

for (const kind of ["plain", "titan"]) {
  const model = await TpttModel.fromPretrained(`${models}/llama-gqa`, {
    operatorForm: "tptt-0.12",
    operatorMode: "delta_rule",
    magWeight: 0.5,
    disableLinearAttn: kind === "plain",
    loraConfig: { r: 4, loraAlpha: 8 },
  });
  const save = (path: string) => (kind === "plain" ? model.saveAdapter(path) : model.savePretrained(path));
  await mkdir(folder, { recursive: true });
  await save(`${folder}/${kind}`);
  const learner = await Learner.create(model, args);
  const learningRate = getScheduler(fields.lr_scheduler_type, { ...args, maxSteps: fields.max_steps });
  const [losses, norms]: [number[], number[]] = [[], []];
  for (const [step, examples] of steps.entries()) {
    const batch = collate(
      examples.map((inputIds) => ({ inputIds, labels: inputIds })),
      { batchSize: 3, buckets: [24], paddingSide: "right" },
    );
    const { loss, gradNorm, apply } = await learner.step([batch], step, learningRate(step));
    apply();
    losses.push(loss);
    norms.push(gradNorm);
  }
  await save(`${folder}/${kind}-after`);
  await writeFile(`${folder}/${kind}.json`, JSON.stringify({ ...fields, steps, losses, norms }));
  await learner.release();
  await model.dispose();
}
