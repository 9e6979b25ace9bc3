import { expect, test } from "vitest";
import { alpacaPrompt, choicePrompt, promptOf } from "../../src/data/prompt.js";

test("the prompt is instruction and input on lines of their own", () => {
  expect(alpacaPrompt({ instruction: "Add.", input: "1 2", output: "3" })).toEqual({
    prompt: "Add.\n1 2\n",
    completion: "3",
  });
});

test("an instruction without input leaves no empty line", () => {
  expect(alpacaPrompt({ instruction: "Greet.", output: "Hello." })).toEqual({
    prompt: "Greet.\n",
    completion: "Hello.",
  });
});

test("a question is asked as MMLU's authors ask it, with its subject where it has one", () => {
  const question = { question: "2 + 2?", choices: ["3", "4", "5"], answer: 1 };
  expect(choicePrompt({ ...question, subject: "abstract_algebra" })).toEqual({
    prompt:
      "The following are multiple choice questions (with answers) about abstract algebra.\n\n2 + 2?\nA. 3\nB. 4\nC. 5\nAnswer:",
    completion: " B",
  });
  expect(promptOf(question).prompt).toMatch(
    /^The following are multiple choice questions \(with answers\)\.\n\n2/,
  );
  expect(promptOf({ instruction: "Greet.", output: "Hello." }).completion).toBe("Hello.");
});
