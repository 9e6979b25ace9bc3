import { expect, test, vi } from "vitest";
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

test("where nothing can stop a match, a repetition in a repetition is refused", async () => {
  vi.resetModules();
  vi.doMock("#time-limit", () => import("../../src/io/time-limit-web.js"));
  const { pythonRegex: inBrowser } = await import("../../src/io/python-regex.js");
  vi.doUnmock("#time-limit");
  expect(() => inBrowser("(a+)+")).toThrow(SyntaxError);
  expect(inBrowser(".*\\.(?:q|v)_proj").test("layers.0.q_proj")).toBe(true);
  expect(pythonRegex("(a+)+").test("a")).toBe(true);
});
