/** The whole way: a base model becomes a titan, learns, answers, is saved and read again. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LiZACallback, TpttModel, Trainer, tokenizeDataset, trainingArguments } from "../src/index.js";

// A model with 95 words that comes with the package; a GGUF file or another Hugging Face folder goes as well.
const base = fileURLToPath(new URL("../assets/tiny", import.meta.url));
const model = await TpttModel.fromPretrained(base, {
  operatorMode: "delta_rule",
  loraConfig: { r: 8, loraAlpha: 16 },
});

const facts = { anna: "tea", bob: "honey", carla: "figs", david: "rice" };
const records = Object.entries(facts).map(([name, value]) => ({
  instruction: `? ${name}`,
  output: `${value} .`,
}));
const result = await new Trainer({
  model,
  args: trainingArguments({ max_steps: 60, batch_size: 4, max_length: 8, learning_rate: 1e-2 }),
  trainDataset: tokenizeDataset(records, model.requireTokenizer(), { maxLength: 8, maskPrompt: true }),
  callbacks: [new LiZACallback(model, { mode: "gradual", finalWeight: 0.5, transitionStep: 20 })],
}).train();
console.log(`${result.steps} steps, mu ${model.magWeight}`);

const folder = await mkdtemp(join(tmpdir(), "titan-"));
try {
  await model.savePretrained(folder);
  await model.dispose();
  const titan = await TpttModel.fromPretrained(folder);
  for (const [name, value] of Object.entries(facts)) {
    const answer = await titan.generate({ prompt: `? ${name}` });
    console.log(`? ${name} ${answer}`);
    if (answer.trim() !== `${value} .`) throw new Error(`expected ${value} .`);
  }
  await titan.dispose();
} finally {
  await rm(folder, { recursive: true });
}
