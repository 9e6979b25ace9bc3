import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { choicePrompt } from "../../src/data/prompt.js";
import type { ChoiceRecord } from "../../src/data/record.js";
import { Tensor } from "../../src/engine/index.js";
import { evaluateMultipleChoice } from "../../src/evaluate/multiple-choice.js";
import type { ScoringModel } from "../../src/evaluate/token-scores.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { openWorkspace } from "../cli/workspace.js";
import { rows, vocabSize } from "../tptt/titan.js";

const questions: ChoiceRecord[] = [
  { question: "two and two?", choices: ["four", "five", "a hundred", "one"], answer: 0, subject: "sums" },
  { question: "three and one?", choices: ["six", "four"], answer: 1, subject: "sums" },
  { question: "what is grass?", choices: ["red", "blue", "green"], answer: 2, subject: "colours" },
  { question: "what is snow?", choices: ["it is white", "black"], answer: 0, subject: "colours" },
];

async function openModel(): Promise<TpttModel> {
  const { model } = await openWorkspace();
  // Letters are tokens: MMLU's prompt needs more positions than the tiny model knows.
  const config = join(model, "config.json");
  const longer = { ...JSON.parse(await readFile(config, "utf8")), max_position_embeddings: 256 };
  await writeFile(config, JSON.stringify(longer));
  return TpttModel.fromPretrained(model, { operatorMode: "delta_rule" });
}

/** The log probability of a continuation, token by token from the logits of the whole text. */
async function logLikelihood(model: TpttModel, prompt: string, continuation: string): Promise<number> {
  const tokenizer = model.requireTokenizer();
  // A letter is a token: the prompt's tokens are those of the whole.
  const start = tokenizer.encode(prompt).length;
  const ids = tokenizer.encode(prompt + continuation);
  const { logits } = await model.forward({ inputIds: rows([ids]) });
  let total = 0;
  for (let t = start; t < ids.length; t++) {
    const scores = [...logits.f32.subarray((t - 1) * vocabSize, t * vocabSize)];
    total += scores[ids[t]!]! - Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0));
  }
  return total;
}

test.each(["letter", "text"] as const)(
  "the choice of the highest likelihood, by a plain loop over logits, is the model's (%s)",
  async (form) => {
    const model = await openModel();
    try {
      let [plain, normalized] = [0, 0];
      for (const record of questions) {
        const { choices, answer, question } = record;
        const likelihoods = [];
        for (const [i, choice] of choices.entries()) {
          likelihoods.push(
            form === "letter"
              ? await logLikelihood(model, choicePrompt(record).prompt, ` ${"ABCD"[i]}`)
              : await logLikelihood(model, `Question: ${question}\nAnswer:`, ` ${choice}`),
          );
        }
        const each = likelihoods.map((sum, i) => sum / (form === "letter" ? 1 : choices[i]!.length));
        if (likelihoods.indexOf(Math.max(...likelihoods)) === answer) plain++;
        if (each.indexOf(Math.max(...each)) === answer) normalized++;
      }
      const options = { batchSize: 3, maxLength: 256, form };
      const result = await evaluateMultipleChoice(model, questions, model.requireTokenizer(), options);
      expect(result.metrics).toMatchObject([
        { name: "accuracy", value: plain / 4, count: 4, method: "wilson" },
        { name: "accuracy_normalized", value: normalized / 4, count: 4 },
      ]);
      expect(result.notes).toEqual({ chance: (1 / 4 + 1 / 2 + 1 / 3 + 1 / 2) / 4, choices_cut: 0 });
    } finally {
      await model.dispose();
    }
  },
);

test("likelihoods decide, for each character where they are normalised, and subjects are told apart", async () => {
  // Of a model that finds a letter the more likely the earlier it is in the alphabet.
  const tokenizer = { encode: (text: string) => [...text].map((letter) => letter.charCodeAt(0)) };
  const reader: ScoringModel = {
    encode: async ({ inputIds }) => ({ lastHiddenState: Tensor.zeros("f32", [...inputIds.shape, 1]) }),
    scoreTokens: async ({ targets }) => {
      const ids = Array.from({ length: targets.size }, (_, i) => Number(targets.data[i]));
      const logProbs = ids.map((id) => (id === 32 ? 0 : -(id - 96)));
      return { logProbs: Tensor.f32([ids.length], logProbs), greedy: Tensor.zeros("f32", [ids.length]) };
    },
  };
  const records: ChoiceRecord[] = [
    // -2 against -3: the sum prefers the short one, each character the long one.
    { question: "q", choices: ["b", "aaa"], answer: 1, subject: "long" },
    { question: "q", choices: ["b", "aaa"], answer: 0, subject: "short" },
    { question: "q", choices: ["c", "a"], answer: 1, subject: "short" },
  ];
  const { metrics, breakdown } = await evaluateMultipleChoice(reader, records, tokenizer, {
    batchSize: 2,
    maxLength: 64,
    form: "text",
  });
  expect(metrics.map(({ name, value }) => [name, value])).toEqual([
    ["accuracy", 2 / 3],
    ["accuracy_normalized", 2 / 3],
  ]);
  expect(breakdown!.map(({ name, value, where }) => [where!.subject, name, value])).toEqual([
    ["long", "accuracy", 0],
    ["long", "accuracy_normalized", 1],
    ["short", "accuracy", 1],
    ["short", "accuracy_normalized", 0.5],
  ]);
});

test("the start of a question that is too long is cut off, and counted", async () => {
  const model = await openModel();
  try {
    const tokenizer = model.requireTokenizer();
    const long = { question: `${"words ".repeat(40)}?`, choices: ["one", "two"], answer: 0 };
    const { notes } = await evaluateMultipleChoice(model, [long], tokenizer, {
      batchSize: 2,
      maxLength: 100,
    });
    expect(notes!.choices_cut).toBe(2);
  } finally {
    await model.dispose();
  }
});
