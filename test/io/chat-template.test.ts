import { describe, expect, test } from "vitest";
import { ChatTemplate } from "../../src/io/chat-template.js";
import { conversation, templateOf, templates } from "../data/templates.js";

const messages = conversation.slice(0, 3);

test("a conversation is rendered, with what opens an answer at its end when that is wanted", () => {
  const template = templateOf(templates.gemma);
  const text =
    "<s><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\nhello<end_of_turn>\n<start_of_turn>user\nbye<end_of_turn>\n";
  expect(template.render(messages)).toBe(text);
  expect(template.render(messages, { addGenerationPrompt: true })).toBe(`${text}<start_of_turn>model\n`);
});

test("the default template of several is taken, and none is none", () => {
  const named = [
    { name: "tool_use", template: "tools" },
    { name: "default", template: "plain" },
  ];
  expect(ChatTemplate.fromConfig({ chat_template: named }, "x")!.render([])).toBe("plain");
  expect(ChatTemplate.fromConfig({}, "x")).toBeUndefined();
  expect(ChatTemplate.fromConfig({ chat_template: null }, "x")).toBeUndefined();
});

describe("marks", () => {
  test("stand around what is the assistant's, without changing the text", () => {
    const template = templateOf(templates.marked);
    const pieces = template.renderMarked(conversation)!;
    expect(pieces.filter((_, i) => i % 2 === 1)).toEqual(["hello<|im_end|>", "so long<|im_end|>"]);
    expect(pieces.join("")).toBe(template.render(conversation));
  });

  test.each([
    "a\n  {% generation %}\n  {{ 'x' }}\n  {% endgeneration %}\nb",
    "a {%- generation -%} x {%- endgeneration -%} b",
    "a {% generation %} x {% endgeneration %} b",
    "a\n {% generation %}\n\n x\n {%- endgeneration %}\n b",
  ])("are cut out of %j with the white space that Jinja cuts", (source) => {
    const template = templateOf(source);
    expect(template.renderMarked([])!).toHaveLength(3);
    expect(template.renderMarked([])!.join("")).toBe(template.render([]));
  });

  test("are none in most templates, and text that looks like one is text", () => {
    expect(templateOf(templates.chatml).renderMarked(conversation)).toBeUndefined();
    const odd = [{ role: "assistant", content: "\ufdd0 a \ufdd1" }];
    expect(templateOf(templates.marked).renderMarked(odd)![1]).toBe("\ufdd0 a \ufdd1<|im_end|>");
  });
});

describe("refuses", () => {
  test("what is no template", () => {
    expect(() => templateOf("{% for %}")).toThrow(
      /^chat_template: is not a template that can be used \(.*\); give another template$/,
    );
    expect(() => ChatTemplate.fromConfig({ chat_template: 7 }, "f: chat_template")).toThrow(
      /^f: chat_template/,
    );
  });

  test("messages that the template refuses", () => {
    expect(() => templateOf(templates.gemma).render([{ role: "system", content: "x" }])).toThrow(
      "chat_template: cannot be rendered (System role not supported); give another template",
    );
  });
});
