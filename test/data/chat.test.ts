import { describe, expect, test } from "vitest";
import { renderChat } from "../../src/data/chat.js";
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
