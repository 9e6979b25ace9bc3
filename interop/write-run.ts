/**
 * Trains a tiny titan, stops and goes on, with TensorBoard's event files and a model card: write-run.ts MODELS FOLDER.
 * What it becomes without its memories is in FOLDER-adapter and FOLDER-merged.
 */
import { cp, writeFile } from "node:fs/promises";
import { latestCheckpoint, Random, TpttModel, Trainer, trainingArguments } from "../src/index.js";

const [models = "", folder = ""] = process.argv.slice(2);
if (folder === "") throw new Error("usage: write-run.ts MODELS FOLDER");

const random = Random.for(3, "examples");
const examples = Array.from({ length: 40 }, () => {
  const inputIds = Array.from({ length: 6 + random.below(18) }, () => random.below(96));
  return { inputIds, labels: inputIds };
});
const args = trainingArguments({
  max_steps: 30,
  batch_size: 4,
  max_length: 24,
  eval_steps: 7,
  save_steps: 10,
  report_to: "tensorboard",
});

/** A base model whose README names a license. */
const base = `${folder}-base`;
await cp(`${models}/llama-gqa`, base, { recursive: true });
await writeFile(`${base}/README.md`, "---\nlicense: mit\n---\n# A base model\n");

/** Results such as `tptt eval --out` writes; the card includes them. Without its memories a model has the last one only. */
const evaluations = [
  {
    task: "recall",
    data: { name: "facts.jsonl" },
    metrics: [
      { name: "exact_match", value: 0.75, interval: [0.5, 0.9], count: 8 },
      { name: "loss", value: 1.25, interval: [1, 1.5], count: 8 },
    ],
  },
  {
    task: "perplexity",
    model: { mag_weight: 0 },
    data: { name: "org/texts" },
    metrics: [{ name: "loss", value: 2.5, interval: [2, 3], count: 8 }],
  },
];

/** Trains until a step. */
async function train(until: number, resumeFrom?: string): Promise<void> {
  const model = await TpttModel.fromPretrained(base, { loraConfig: { r: 4 } });
  const trainer = new Trainer({
    model,
    args,
    outputDir: folder,
    trainDataset: examples.slice(0, 32),
    evalDataset: examples.slice(32),
    observer: {
      onStep: (step) => {
        if (step === until) trainer.stop();
      },
    },
    resumeFrom,
  });
  await trainer.train();
  for (const evaluation of evaluations) {
    await writeFile(`${folder}/eval-${evaluation.task}.json`, JSON.stringify(evaluation));
  }
  if (until === args.maxSteps) await model.savePretrained(folder);
  await model.dispose();
}

await train(23);
// What was measured after step 20 is measured again, as after a kill.
await train(30, (await latestCheckpoint(folder))!.replace("checkpoint-23", "checkpoint-20"));

const plain = await TpttModel.fromPretrained(folder, { disableLinearAttn: true });
await plain.saveAdapter(`${folder}-adapter`);
await plain.saveMerged(`${folder}-merged`);
await plain.dispose();
