/** Trains a tiny titan, stops and goes on, with TensorBoard's event files: write-run.ts MODELS FOLDER. */
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

/** Trains until a step. */
async function train(until: number, resumeFrom?: string): Promise<void> {
  const model = await TpttModel.fromPretrained(`${models}/llama-gqa`, { loraConfig: { r: 4 } });
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
  if (until === args.maxSteps) await model.savePretrained(folder);
  await model.dispose();
}

await train(23);
// What was measured after step 20 is measured again, as after a kill.
await train(30, (await latestCheckpoint(folder))!.replace("checkpoint-23", "checkpoint-20"));
