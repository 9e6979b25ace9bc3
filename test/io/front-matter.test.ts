import { expect, test } from "vitest";
import { readFrontMatter } from "../../src/io/front-matter.js";

test("the header of a card is the YAML between its first two lines of dashes", () => {
  expect(readFrontMatter("---\nlicense: mit\ntags: [a]\n---\n# Title\n---\n")).toEqual({
    license: "mit",
    tags: ["a"],
  });
  expect(readFrontMatter("\uFEFF---\r\nlicense: mit\r\n---\r\n")).toEqual({ license: "mit" });
  expect(readFrontMatter("---\nlicense: mit\n---")).toEqual({ license: "mit" });
});

test.each([
  ["no header", "# Title\n---\na: 1\n---\n"],
  ["one that does not end", "---\na: 1\n"],
  ["no mapping", "---\n- a\n---\n"],
  ["no YAML", "---\na: [\n---\n"],
  [
    "aliases that swell",
    `---\na: &a [x, x]\n${"b".repeat(1)}: &b [*a, *a]\nc: [${"*b, ".repeat(200)}*b]\n---\n`,
  ],
])("a card with %s has none", (_, card) => {
  expect(readFrontMatter(card)).toBeUndefined();
});
