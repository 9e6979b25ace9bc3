import fc from "fast-check";
import { expect, test } from "vitest";
import { StopStrings } from "../../src/generate/stop-strings.js";

/** What a text in pieces gives out. */
function read(pieces: readonly string[], stops: readonly string[]): { text: string; ended: boolean } {
  const found = new StopStrings(stops);
  let text = "";
  for (const piece of pieces) {
    const { text: certain, ended } = found.push(piece);
    text += certain;
    if (ended) return { text, ended };
  }
  return { text: text + found.flush(), ended: false };
}

test("a text ends before the first of its stop strings, however it is cut", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
  const stop = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 6 }), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
      const whole = pieces.join("");
      // Which one ends first in the text, as it is read piece by piece, begins at one of these.
      const result = read(pieces, stops);
      expect(whole.startsWith(result.text)).toBe(true);
      expect(stops.some((stop) => result.text.includes(stop))).toBe(false);
      expect(result.ended).toBe(stops.some((stop) => whole.includes(stop)));
      if (result.ended) expect(stops.some((stop) => whole.startsWith(stop, result.text.length))).toBe(true);
      else expect(result.text).toBe(whole);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test("what cannot be the beginning of a stop string is given out at once", () => {
  const stops = new StopStrings(["\n\n", "END"]);
  expect(stops.push("one")).toEqual({ text: "one", ended: false });
  expect(stops.push(" two\n")).toEqual({ text: " two", ended: false });
  expect(stops.push("E")).toEqual({ text: "\n", ended: false });
  expect(stops.push("NE")).toEqual({ text: "EN", ended: false });
  expect(stops.push("ND!")).toEqual({ text: "", ended: true });
});
