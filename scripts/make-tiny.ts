/**
 * Makes the embedded base model, assets/tiny: a Mistral of two layers with a window of 48 tokens, pretrained from
 * nothing on texts about facts (src/data/facts.ts) until it answers every question whose fact lies inside the window.
 *
 *     npm run make:tiny -- --steps 300 --seed 1
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  chanceRecall,
  type FactsText,
  factsText,
  factsTokenizerFiles,
  factsVocabulary,
} from "../src/data/facts.js";
import { FrozenWeights, type Params } from "../src/engine/index.js";
import { bandTexts, evaluateRecall, recallBands } from "../src/evaluate/recall.js";
import { writeFileAtomic } from "../src/io/atomic-file.js";
import { writeSafetensors } from "../src/io/safetensors.js";
import { Tokenizer } from "../src/io/tokenizer.js";
import { architectureOf } from "../src/models/registry.js";
import { initialTensors } from "../src/nn/init.js";
import { nameParameters } from "../src/nn/module.js";
import { Random } from "../src/random.js";
import { TpttConfig } from "../src/tptt/config/config.js";
import { TpttModel } from "../src/tptt/tptt-model.js";
import { trainingArguments } from "../src/train/arguments.js";
import { Trainer } from "../src/train/trainer.js";

const folder = fileURLToPath(new URL("../assets/tiny", import.meta.url));
const { values } = parseArgs({
  options: { steps: { type: "string", default: "300" }, seed: { type: "string", default: "1" } },
});
const [steps, seed] = [Number(values.steps), Number(values.seed)];
const say = (text: string) => process.stdout.write(`${text}\n`);

const tokenizer = new Tokenizer(factsTokenizerFiles(), folder);
const config = {
  architectures: ["MistralForCausalLM"],
  model_type: "mistral",
  vocab_size: factsVocabulary.length,
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 32,
  hidden_act: "silu",
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  sliding_window: 48,
  tie_word_embeddings: false,
  bos_token_id: tokenizer.bosId!,
  eos_token_id: tokenizer.eosId!,
  pad_token_id: tokenizer.padId!,
  torch_dtype: "float32",
};

/**
 * First weights from which recall is learnt in a few hundred steps. From plain random ones a model of this size stays for
 * thousands of steps where it answers with any value of the window: it would have to find two layers at once, one that
 * joins a name to the token after it and one that looks names up (induction heads, arXiv 2209.11895). So both are laid out:
 * like tokens attend to like (keys equal to queries), what is attended to is copied (output transposed to values, the head equal to the
 * embedding), and two heads of the first layer look at the token before.
 */
function firstWeights(random: Random): Params {
  const weights = Object.fromEntries(initialTensors(base, random));
  const data = (name: string): Float32Array => weights[`${name}.weight`]!.f32;
  const std = 0.08;
  for (const [name, { f32 }] of Object.entries(weights)) {
    if (!name.includes("norm")) scale(f32, std / 0.02);
  }
  // All tokens share a direction: what a head needs that looks at places, not at words.
  const { hidden_size: hidden, num_hidden_layers: layers } = config;
  const embedding = data("model.embed_tokens");
  const shared = Float32Array.from({ length: hidden }, () => std * random.normal());
  for (const i of embedding.keys()) embedding[i]! += shared[i % hidden]!;
  data("lm_head").set(embedding);
  scale(embedding, 12);
  for (let layer = 0; layer < layers; layer++) {
    const [q, k, v, o] = ["q", "k", "v", "o"].map((name) =>
      data(`model.layers.${layer}.self_attn.${name}_proj`),
    );
    scale(q!, 0.3);
    k!.set(q!);
    for (const i of o!.keys()) o![i] = v![(i % hidden) * hidden + Math.floor(i / hidden)]!;
  }
  lookOneBack(
    data("model.layers.0.self_attn.q_proj"),
    data("model.layers.0.self_attn.k_proj"),
    meanToken(embedding),
  );
  return weights;
}

/** The direction [hidden] along which a token's normed embedding has length 1, on average over the vocabulary. */
function meanToken(embedding: Float32Array): number[] {
  const { hidden_size: hidden, vocab_size: vocab } = config;
  const rows = Array.from({ length: vocab }, (_, id) => embedding.subarray(id * hidden, (id + 1) * hidden));
  const mean = Array.from({ length: hidden }, (_, c) => sum(rows.map((row) => row[c]!)) / vocab);
  const along = (row: Float32Array) =>
    sum(mean.map((m, c) => m * row[c]!)) / (Math.hypot(...row) / Math.sqrt(hidden));
  const length = sum(rows.map(along)) / vocab;
  return mean.map((m) => m / length);
}

/**
 * Turns two heads to the token before: their queries are their keys turned back by the angle of one place, at the
 * six fastest frequencies of the rotary embedding.
 */
function lookOneBack(q: Float32Array, k: Float32Array, token: readonly number[]): void {
  const { hidden_size: hidden, head_dim: dim, rope_theta: theta } = config;
  const sharpness = 5;
  const setRow = (weight: Float32Array, row: number, factor: number) =>
    weight.set(
      token.map((t) => factor * t),
      row * hidden,
    );
  for (const head of [0, 1]) {
    for (let pair = 0; pair < 6; pair++) {
      const angle = theta ** ((-2 * pair) / dim);
      const row = head * dim + pair;
      setRow(k, row, sharpness);
      setRow(k, row + dim / 2, 0);
      setRow(q, row, sharpness * Math.cos(angle));
      setRow(q, row + dim / 2, -sharpness * Math.sin(angle));
    }
  }
}

function scale(data: Float32Array, factor: number): void {
  for (const i of data.keys()) data[i]! *= factor;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

const length = 96;
const batchSize = 16;

/** Easy texts and hard ones mixed: few facts close to their questions, up to eight spread over the window. */
function pretrainingText(random: Random): FactsText {
  const ease = random.uniform();
  return factsText(random, {
    length,
    near: 2,
    far: Math.round(44 - 30 * ease),
    waiting: Math.round(8 - 6 * ease),
    factShare: 0.8,
    asks: 3,
  });
}

const base = architectureOf(config.model_type, "config.json").build(config, "config.json");
nameParameters(base);
const model = new TpttModel({
  config: TpttConfig.from({ disableLinearAttn: true }),
  baseConfig: config,
  base,
  frozen: await FrozenWeights.create(),
  trainableParameters: [""],
});
model.params = firstWeights(Random.for(seed, "weights"));

const data = Random.for(seed, "pretraining");
const texts = Array.from({ length: steps * batchSize }, () => pretrainingText(data));
await new Trainer({
  model,
  args: trainingArguments({
    max_steps: steps,
    batch_size: batchSize,
    max_length: length,
    learning_rate: 4e-3,
    warmup_steps: 50,
    weight_decay: 0.01,
    seed,
  }),
  trainDataset: texts.map(({ inputIds }) => ({ inputIds, labels: inputIds })),
  observer: {
    onStep: (step, total, { loss }) => {
      if (step % 50 === 0) say(`step ${step}/${total} loss ${Number(loss).toFixed(3)}`);
    },
  },
}).train();

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const rows: string[] = [];
for (const band of recallBands(config.sliding_window)) {
  const { rate, loss, total } = await evaluateRecall(
    model,
    bandTexts(Random.for(seed, "held-out", band.name), band, 24),
    24,
  );
  rows.push(
    `| ${band.name} | ${band.near}-${band.far} | ${percent(rate)} of ${total} | ${loss.toFixed(2)} |`,
  );
}
say(rows.join("\n"));

const parameters = model.trainable.reduce((total, { size }) => total + size, 0);
const [first] = texts;
const sample = tokenizer.decode(first!.inputIds.slice(0, 60), { skipSpecialTokens: true });
const readme = `# tiny

A language model of ${parameters.toLocaleString("en-US")} parameters (Mistral, ${config.num_hidden_layers} layers of ${config.hidden_size}, ${config.num_attention_heads} heads of ${config.head_dim}, a sliding window of
${config.sliding_window} tokens, ${config.vocab_size} words) that reads texts such as

> ${sample} ...

and answers what it was told, where the fact lies inside its window. It knows nothing else: it is there to be
titanized by \`tptt demo\`, in examples and in tests.

Exact recall by the distance from a fact to its question; guessing gives ${percent(chanceRecall)}:

| distance in windows | in tokens | recall | loss |
|---|---|---|---|
${rows.join("\n")}

Made by \`npm run make:tiny -- --steps ${steps} --seed ${seed}\`: pretrained from nothing, all parameters, on ${(steps * batchSize).toLocaleString("en-US")} texts of ${length}
tokens that a seeded script writes (src/data/facts.ts). Licence: that of the project.
`;
await mkdir(folder, { recursive: true });
await writeFileAtomic(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
await writeSafetensors(join(folder, "model.safetensors"), new Map(Object.entries(model.params)));
await tokenizer.save(folder);
await writeFileAtomic(join(folder, "README.md"), readme);
await model.dispose();
say(`written: ${folder}`);
