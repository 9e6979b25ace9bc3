import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { parseJson, shown } from "../../src/io/json-text.js";

const parse = (text: string) => parseJson(text, "a.json", "mend it");
const nested = (depth: number, open = "[", close = "]") => open.repeat(depth) + close.repeat(depth);

describe("a JSON text", () => {
  test("gives what JSON.parse gives", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
      { seed: 1 },
    );
  });

  test("is a value, or an InputError that has one line", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'[]{}",:\\\n 1atrue') }), (text) => {
        try {
          expect(parse(text)).toEqual(JSON.parse(text));
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
          expect((error as Error).message).toMatch(/^a\.json: is not valid JSON \(.*\); mend it$/);
        }
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  test.each([nested(257), nested(100_000), nested(300, '{"a":[', "]}"), `{"a": "x", "b": ${nested(256)}}`])(
    "that is nested too deeply is refused (%#)",
    (text) => {
      expect(() => parse(text)).toThrow("a.json: is nested more than 256 deep; mend it");
    },
  );

  test.each([
    nested(256),
    `["${"[".repeat(1000)}"]`,
    `["\\"${"{".repeat(1000)}"]`,
    `[${"[],".repeat(1000)}1]`,
  ])("that is not is read (%#)", (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });
});

test("a value is shown by its first characters", () => {
  expect(shown({ a: [1, "x"] })).toBe('{"a":[1,"x"]}');
  expect(shown(undefined)).toBe("missing");
  expect(shown("x".repeat(1000))).toBe(`"${"x".repeat(199)} ...`);
});
