import { expect, test } from "vitest";
import { pythonRegex } from "../../src/io/python-regex.js";

test("named groups and the ends of a text are spelled as in Python", () => {
  expect(pythonRegex("(?P<a>x|y)(?P=a)").exec("xy yy")?.groups?.a).toBe("y");
  expect(pythonRegex("\\Aa.b\\Z").test("a.b")).toBe(true);
  expect(pythonRegex("\\Aa.b\\Z").test("za.b")).toBe(false);
  expect(pythonRegex("a\\\\Z").test("a\\Z")).toBe(true);
});

test("what JavaScript does not know is refused, not taken for something else", () => {
  for (const pattern of ["(?i)a", "a++", "(?>a)", "("])
    expect(() => pythonRegex(pattern)).toThrow(SyntaxError);
});
