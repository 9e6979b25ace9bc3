/**
 * The main job on the real default model: titanizes Gemma 3 270M, trains it on GSM8K, evaluates it before and after on
 * problems it never saw, generates.
 *
 *     npm run real -- --steps 200 --runs delta_rule,lora,delta_product --report real.json
 *
 * `lora` is the baseline: the same LoRA on the base model without memories. The model is fetched when it is not there
 * (scripts/get-gemma.sh); the data are given with --dataset (alpaca form: instruction, input, output).
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  type Example,
  evaluateLoss,
  LiZACallback,
  type OperatorMode,
  readDataset,
  TpttModel,
  Trainer,
  tokenizeDataset,
  trainingArguments,
} from "../src/index.js";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { values } = parseArgs({
  options: {
    model: { type: "string" },
    dataset: { type: "string", default: here("../../shared/data/gsm8k_train.json") },
    runs: { type: "string", default: "delta_rule" },
    steps: { type: "string", default: "200" },
    "batch-size": { type: "string", default: "4" },
    "max-length": { type: "string", default: "256" },
    "held-out": { type: "string", default: "200" },
    "learning-rate": { type: "string", default: "2e-3" },
    output: { type: "string" },
    report: { type: "string" },
  },
});
const prompt = "The capital of France is";
const steps = Number(values.steps);
const heldOut = Number(values["held-out"]);
const args = trainingArguments({
  max_steps: steps,
  batch_size: Number(values["batch-size"]),
  max_length: Number(values["max-length"]),
  learning_rate: Number(values["learning-rate"]),
  lr_scheduler_type: "linear",
});

const say = (text: string) => process.stdout.write(`${text}\n`);

async function evaluate(model: TpttModel, examples: readonly Example[], mu: number) {
  model.magWeight = mu;
  const { loss, lossStandardError, tokens, tokensPerSecond } = await evaluateLoss(model, examples, args);
  return { mu, loss, lossStandardError, tokens, tokensPerSecond };
}

type Evaluation = Awaited<ReturnType<typeof evaluate>>;
/** The untouched base model's loss: the same for every run. */
let base: Evaluation | undefined;

async function run(name: string, path: string) {
  const plain = name === "lora";
  const model = await TpttModel.fromPretrained(path, {
    operatorMode: plain ? "delta_rule" : (name as OperatorMode),
    disableLinearAttn: plain,
    loraConfig: { r: 8, loraAlpha: 16 },
  });
  try {
    const records = await readDataset(values.dataset);
    const tokenize = (part: typeof records) => tokenizeDataset(part, model.tokenizer!, args);
    const held = tokenize(records.slice(-heldOut));
    base ??= await evaluate(model, held, 0);
    const before = base;
    say(`${name}: held-out loss of the base model ${before.loss.toFixed(4)} (${before.tokens} tokens)`);
    const trainer = new Trainer({
      model,
      args,
      trainDataset: tokenize(records.slice(0, -heldOut)),
      ...(values.output === undefined ? {} : { outputDir: `${values.output}/${name}` }),
      callbacks: plain
        ? []
        : [new LiZACallback(model, { mode: "gradual", transitionStep: Math.max(1, steps / 2) })],
      observer: {
        onStep: (step, total, logs) => {
          const { loss, mag_weight, tokens_per_second } = logs as Record<string, number>;
          if (step % 10 === 0 || step === total) {
            say(
              `  step ${step}/${total} loss ${loss!.toFixed(4)} mu ${mag_weight!.toFixed(3)} ${tokens_per_second!.toFixed(0)} tokens/s`,
            );
          }
        },
      },
    });
    const result = await trainer.train();
    const after: Evaluation[] = [];
    for (const mu of plain ? [0] : [0, 0.5, 1]) {
      after.push(await evaluate(model, held, mu));
      say(`${name}: held-out loss at mu ${mu}: ${after.at(-1)!.loss.toFixed(4)}`);
    }
    model.magWeight = plain ? 0 : 0.5;
    const text = await model.generate({ prompt, maxNewTokens: 40 });
    say(`${name}: ${prompt}${text}`);
    if (values.output !== undefined) await model.savePretrained(`${values.output}/${name}`);
    const peakMemory = process.resourceUsage().maxRSS * 1024;
    return {
      name,
      before,
      after,
      steps: result.steps,
      tokens: result.tokens,
      trainTokensPerSecond: result.tokensPerSecond,
      peakMemory,
      text,
    };
  } finally {
    await model.dispose();
  }
}

if (!existsSync(values.dataset)) {
  process.stderr.write(`real: ${values.dataset} does not exist; give GSM8K in alpaca form with --dataset\n`);
  process.exit(2);
}
const model = values.model ?? execFileSync(here("get-gemma.sh"), { encoding: "utf8" }).trim();
const report = [];
for (const name of values.runs.split(",")) report.push(await run(name, model));
for (const { name, before, after, trainTokensPerSecond, peakMemory } of report) {
  const losses = after.map(({ mu, loss }) => `mu ${mu}: ${loss.toFixed(4)}`).join(", ");
  say(
    `${name}: ${before.loss.toFixed(4)} -> ${losses}; ${trainTokensPerSecond.toFixed(0)} tokens/s, peak ${(peakMemory / 1e9).toFixed(2)} GB`,
  );
}
if (values.report !== undefined) await writeFile(values.report, `${JSON.stringify(report, null, 2)}\n`);
