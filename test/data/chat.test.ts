import { describe, expect, test } from "vitest";
import { renderChat, textAfter, turnEndIds } from "../../src/data/chat.js";
import { conversation, templateOf, templates } from "./templates.js";

const answersOf = (source: string, messages = conversation) => {
  const template = templateOf(source);
  const { text, answers } = renderChat(messages, template);
  expect(text).toBe(template.render(messages));
  return answers.map(([from, to]) => text.slice(from, to));
};

describe("what the assistant says is found", () => {
  test.each([
    ["chatml", ["hello<|im_end|>\n", "so long<|im_end|>\n"]],
    ["gemma", ["hello<end_of_turn>\n", "so long<end_of_turn>\n"]],
    ["zephyr", ["hello</s>\n", "so long</s>\n"]],
    ["mistral", ["hello</s>", "so long</s>"]],
    ["thoughtful", ["hello<|im_end|>\n", "<think>\n\n</think>\n\nso long<|im_end|>\n"]],
    ["marked", ["hello<|im_end|>", "so long<|im_end|>"]],
  ] as const)("in the template of %s", (name, answers) => {
    expect(answersOf(templates[name])).toEqual(answers);
  });

  test("also where it opens the conversation, or speaks twice", () => {
    const messages = [
      { role: "assistant", content: "one" },
      { role: "assistant", content: "two" },
      { role: "user", content: "three" },
    ];
    expect(answersOf(templates.chatml, messages)).toEqual(["one<|im_end|>\n", "two<|im_end|>\n"]);
  });
});

test("a template that writes earlier messages otherwise is refused", () => {
  const counting = "{% for m in messages %}{{ messages | length }}: {{ m.content }}\n{% endfor %}";
  expect(() => answersOf(counting)).toThrow(
    "chat_template: writes message 1 otherwise once others follow, so that it cannot be told from them; give a template that marks answers with {% generation %}",
  );
});

describe("what follows an answer that was read", () => {
  const [user, , second] = conversation;
  const following = (name: keyof typeof templates, answer: string) => {
    const template = templateOf(templates[name]);
    const prompt = template.render([user!], { addGenerationPrompt: true });
    const messages = [user!, { role: "assistant", content: answer }, second!];
    return textAfter(template.render(messages, { addGenerationPrompt: true }), { prompt, answer });
  };

  test.each([
    ["chatml", "<|im_end|>\n<|im_start|>user\nbye<|im_end|>\n<|im_start|>assistant\n"],
    ["gemma", "<end_of_turn>\n<start_of_turn>user\nbye<end_of_turn>\n<start_of_turn>model\n"],
    ["mistral", "</s>[INST] bye [/INST]"],
    ["zephyr", "</s>\n<|user|>\nbye</s>\n<|assistant|>\n"],
    ["thoughtful", "<|im_end|>\n<|im_start|>user\nbye<|im_end|>\n<|im_start|>assistant\n"],
  ] as const)("is the template's: %s", (name, rest) => {
    for (const answer of ["hello", "", "two\nlines"]) expect(following(name, answer)).toBe(rest);
  });

  test("is found where a template cuts off white space around the answer", () => {
    const rest = following("gemma", "hello");
    expect(following("gemma", " hello\n")).toBe(rest);
    expect(following("gemma", "\n")).toBe(rest);
  });

  test("is not where the template puts the answer, or what was before it, otherwise", () => {
    expect(textAfter("ab[c]d", { prompt: "ab", answer: "c" })).toBeUndefined();
    expect(textAfter("ab c d", { prompt: "abc", answer: "" })).toBeUndefined();
    expect(textAfter("ab c d", { prompt: "ab", answer: "c" })).toBe(" d");
  });
});

test("a turn ends with the special token that the template writes after an answer, if there is one", () => {
  const names = ["<|im_end|>", "<end_of_turn>", "</s>"];
  const tokenizer = {
    encode: (text: string) => {
      const special = names.findIndex((name) => text.startsWith(name));
      return special < 0 ? [9] : [special];
    },
    isSpecial: (id: number) => id < 9,
  };
  const found = Object.entries(templates).map(([name, source]) => [
    name,
    turnEndIds(tokenizer, templateOf(source)),
  ]);
  expect(Object.fromEntries(found)).toEqual({
    chatml: [0],
    gemma: [1],
    zephyr: [2],
    mistral: [2],
    thoughtful: [0],
    marked: [0],
  });
  expect(turnEndIds(tokenizer, templateOf("{{ messages[-1].content }} and so on"))).toEqual([]);
});
