import { Template } from "@huggingface/jinja";
import { describe, expect, test } from "vitest";
import { BoundedTemplate } from "../../src/io/bounded-template.js";

const render = (source: string, variables: Record<string, unknown> = {}) =>
  new BoundedTemplate(source).render(variables);

const messages = [
  { role: "system", content: " Be brief.\nPlease. " },
  {
    role: "user",
    content: "What is 1 + 1?",
    tools: [{ name: "add", parameters: { a: [1, 2.5, null, true] } }],
  },
  { role: "assistant", content: "It is <think>easy</think>2." },
];

test.each([
  "{% for m in messages %}{{ m.role | upper }}: {{ m['content'] | trim }}{{ '\\n' }}{% endfor %}",
  "{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ loop.last }}{% endfor %}",
  "{% set ns = namespace(n=1) %}{% for m in messages %}{% set ns.n = ns.n * 3 %}{% endfor %}{{ ns.n }}",
  "{% macro say(m, end='!') %}{{ m.content.split('</think>')[-1].strip() }}{{ end }}{% endmacro %}{{ say(messages[2]) }}{{ say(messages[0], end='?') }}",
  "{{ messages[1].tools | tojson(indent=2) }}{{ messages[1].tools[0] | tojson }}",
  "{{ messages | map(attribute='role') | join(', ') }}{{ 'abc' | join('-') }}{{ [1, 2] | join(separator='+') }}",
  "{{ messages[2].content.replace('<think>', '(').replace('e', 'E', 1) | replace('</think>', ')') }}",
  "{{ messages[0].content | indent(2) }}{{ messages[0].content | indent(width=3, first=true) }}",
  "{% filter upper %}{% filter replace('b', 'xx') %}abc{% endfilter %}{% endfilter %}",
  "{{ range(3) | list }}{{ range(5, 0, -2) | join }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
  "{% if messages is defined and tools is not defined %}{{ bos }}{{ none }}{{ True }}{% endif %}",
  "{{ messages[0]['content']['upper']() }}{{ 'x' ~ 1 ~ [1] }}{{ messages[1].items() | list | length }}",
])("%s gives what the library gives", (source) => {
  expect(render(source, { messages })).toBe(new Template(source).render({ messages }));
});

test("the date is told", () => {
  expect(render("{{ strftime_now('%Y') }}")).toBe(String(new Date().getFullYear()));
});

describe("a template ends", () => {
  test.each([
    [
      "a loop in a loop",
      "{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{{ a }}{% endfor %}",
    ],
    [
      "a loop that says nothing",
      "{% for a in range(60000) %}{% for b in range(60000) %}{% if b %}{% endif %}{% endfor %}{% endfor %}",
    ],
  ])("%s", (_, source) => {
    expect(() => render(source)).toThrow(/runs longer than 900 ms/);
  });

  test("a macro that calls itself", () => {
    expect(() => render("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")).toThrow();
    const twice =
      "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}";
    expect(() => render(twice)).toThrow(/runs longer/);
  });
});

describe("a template does not grow without end", () => {
  const big =
    "{% set ns = namespace(x='ab') %}{% for i in range(17) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}";
  test.each([
    [
      "a text that doubles",
      "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    ],
    [
      "a list that doubles",
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    ],
    [
      "a list in a list",
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    ],
    [
      "a mapping in a mapping",
      "{% set ns = namespace(x={}) %}{% for i in range(60) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x | tojson }}",
    ],
    ["replace", `${big}{{ ns.x.replace('a', ns.x) }}`],
    ["replace by its computed name", `${big}{{ ns.x['rep' ~ 'lace']('a', ns.x) }}`],
    ["replace as a filter", `${big}{{ ns.x | replace('', ns.x) }}`],
    ["replace around a block", `${big}{% filter replace('x', ns.x) %}${"x".repeat(100)}{% endfilter %}`],
    ["join", `${big}{{ range(1000) | join(ns.x) }}`],
    [
      "text without an end",
      "{% for i in range(60000) %}0123456789012345678901234567890123456789{% endfor %}",
    ],
  ])("%s", (_, source) => {
    expect(() => render(source)).toThrow(/makes more than 1048576 characters/);
  });

  test.each([
    ["range", "{{ range(10 ** 9) }}", "range() gives 1000000000 items"],
    ["range without a step", "{{ range(0, 9, 0) }}", "range() gives Infinity items"],
    ["indent", "{{ 'a\\nb' | indent(10 ** 8) }}", "it indents by more than 64"],
    ["tojson", "{{ [1] | tojson(indent=10 ** 8) }}", "it indents by more than 64"],
    ["a method that is taken away", "{% set f = 'a'.replace %}{{ f('a', 'b') }}", "without calling it"],
    ["itself", `{# ${"x".repeat(2 ** 20)} #}`, "it has more than 1048576 characters"],
  ])("%s", (_, source, message) => {
    expect(() => render(source)).toThrow(message);
  });

  test("what it is given may be long", () => {
    const text = "word ".repeat(2 ** 20);
    expect(
      render("{% for m in messages %}{{ m | trim | upper }}{% endfor %}", { messages: [text, text] }),
    ).toHaveLength(2 * (text.length - 1));
  });
});

test.each([
  "messages.constructor",
  "messages['__proto__']",
  "messages[0].constructor.constructor('return process')()",
  "''.constructor",
  "raise_exception.constructor",
  "self",
  "process",
  "globalThis",
  "require",
  "strftime_now.constructor('return 1')()",
])("a template cannot reach %s", (expression) => {
  let text = "";
  try {
    text = render(`{{ ${expression} }}`, { messages });
  } catch {
    // Refused: as well.
  }
  expect(text).toBe("");
});
