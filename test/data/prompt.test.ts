import { expect, test } from "vitest";
import { alpacaPrompt } from "../../src/data/prompt.js";

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
