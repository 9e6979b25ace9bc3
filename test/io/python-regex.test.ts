import { expect, test } from "vitest";
import { pythonRegex, withinTime } from "../../src/io/python-regex.js";

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

test("work is stopped when its time is over, and its errors stay what they are", () => {
  expect(withinTime(() => 3)).toEqual({ value: 3 });
  expect(withinTime(() => /^(a+)+$/.test(`${"a".repeat(60)}b`), 50)).toBeUndefined();
  const error = new RangeError("x");
  expect(() =>
    withinTime(() => {
      throw error;
    }),
  ).toThrow(error);
});
