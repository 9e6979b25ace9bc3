import { expect, test } from "vitest";
import type { DataRecord } from "../../src/data/record.js";
import { answeredPrompt, evaluateExactMatch } from "../../src/evaluate/exact-match.js";
import { matchText } from "../../src/evaluate/text-match.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { openWorkspace } from "../cli/workspace.js";

async function withModel(run: (model: TpttModel) => Promise<void>, options = {}): Promise<void> {
  const { model: path } = await openWorkspace();
  const model = await TpttModel.fromPretrained(path, { operatorMode: "delta_rule", ...options });
  try {
    await run(model);
  } finally {
    await model.dispose();
  }
}

const records: DataRecord[] = [3, 11, 26, 7, 40].map((length, i) => ({
  instruction: "abcdefghijklmnopqrstuvwxyz and more words here".slice(i, i + length),
  output: "?",
}));

test.each(["exact", "tptt-0.12"] as const)(
  "answers are those that generate gives one by one, however they are batched (%s)",
  (operatorForm) =>
    withModel(
      async (model) => {
        const tokenizer = model.requireTokenizer();
        const answers: string[] = [];
        for (const { instruction } of records as { instruction: string }[]) {
          answers.push(await model.generate({ prompt: `${instruction}\n`, maxNewTokens: 6 }));
        }
        // Three right from end to end, one only at its start, one wrong.
        const expected = answers.map((answer, i) => {
          const [line] = answer.split("\n", 1) as [string];
          return i === 3 ? line.slice(0, 2) : i === 4 ? "?!?!" : line;
        });
        const prompts = records.map((record, i) => ({
          ...answeredPrompt(record, tokenizer, "data"),
          expected: expected[i]!,
        }));
        for (const batchSize of [1, 2, 4]) {
          const { metrics, samples } = await evaluateExactMatch(model, prompts, {
            batchSize,
            maxNewTokens: 6,
          });
          expect(samples!.map(({ answer }) => answer)).toEqual(
            answers.map((answer) => answer.split("\n", 1)[0]),
          );
          const wanted = prompts.map((prompt, i) =>
            matchText(answers[i]!.split("\n", 1)[0]!, prompt.expected),
          );
          for (const { name, value, count } of metrics) {
            expect([name, count, value]).toEqual([
              name,
              5,
              wanted.filter((match) => match[name as "em"]).length / 5,
            ]);
          }
          expect(metrics.map(({ name }) => name)).toEqual(["em", "qem", "pem", "pqem"]);
        }
      },
      { operatorForm },
    ),
);

test("records become prompts with the answer that is right", () =>
  withModel(async (model) => {
    const tokenizer = model.requireTokenizer();
    const shown = (record: DataRecord) => {
      const { prompt, expected } = answeredPrompt(record, tokenizer, "data");
      return [tokenizer.decode(prompt, { skipSpecialTokens: true }), expected];
    };
    expect(shown({ instruction: "Add.", input: "1 2", output: "3" })).toEqual(["Add.\n1 2\n", "3"]);
    expect(shown({ question: "one?", choices: ["1", "2"], answer: 0, subject: "small_sums" })).toEqual([
      "The following are multiple choice questions (with answers) about small sums.\n\none?\nA. 1\nB. 2\nAnswer:",
      " A",
    ]);
    const messages = ["user", "assistant", "user", "assistant", "user"].map((role, i) => ({
      role,
      content: `${i}.`,
    }));
    expect(() => shown({ messages })).toThrow("data: is a conversation, which needs a chat template");
    tokenizer.useChatTemplate(
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
      "template",
    );
    expect(shown({ messages })).toEqual(["user: 0.\nassistant: 1.\nuser: 2.\nassistant: ", "3."]);
    expect(() => shown({ text: "words" })).toThrow("data: is a text without an answer");
  }));

test("a prompt that leaves no room loses its start, and is counted; an answer that leaves none is refused", () =>
  withModel(async (model) => {
    const prompts = [{ prompt: model.requireTokenizer().encode("x".repeat(300)), expected: "y" }];
    const { notes } = await evaluateExactMatch(model, prompts, { batchSize: 1, maxNewTokens: 4 });
    expect(notes).toMatchObject({ prompts_cut: 1 });
    await expect(evaluateExactMatch(model, prompts, { batchSize: 1, maxNewTokens: 128 })).rejects.toThrow(
      "max_new_tokens: is 128, which leaves no room for a prompt in the model's 128 positions",
    );
  }));
