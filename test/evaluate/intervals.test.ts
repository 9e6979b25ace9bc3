import { expect, test } from "vitest";
import { proportion, ratioOfSums } from "../../src/evaluate/intervals.js";

test("a share has Wilson's interval, at the ends of the scale too", () => {
  // Newcombe (1998), table I: 81 of 263, 0 of 20.
  expect(proportion(81, 263)).toMatchObject({ value: 81 / 263, method: "wilson", count: 263 });
  expect(proportion(81, 263).interval).toBeCloseToTensor([0.2553, 0.3662], { rtol: 0, atol: 5e-5 });
  expect(proportion(0, 20).interval).toBeCloseToTensor([0, 0.1611], { rtol: 0, atol: 5e-5 });
  expect(proportion(20, 20).interval).toBeCloseToTensor([0.8389, 1], { rtol: 0, atol: 5e-5 });
  expect(proportion(0, 0).value).toBeNaN();
});

test("a ratio of sums weighs samples by what is in them", () => {
  const samples = [
    { sum: 30, count: 30 },
    { sum: 30, count: 10 },
  ];
  const { value, count, standardError, interval } = ratioOfSums(samples);
  expect([value, count]).toEqual([1.5, 40]);
  // The samples are 15 under and 15 over what 1.5 would give: sqrt(2 * 15^2 * 2 / 1) / 40.
  expect(standardError).toBeCloseTo(30 / 40, 12);
  expect(interval).toBeCloseToTensor([1.5 - 1.96 * 0.75, 1.5 + 1.96 * 0.75], { rtol: 0, atol: 1e-3 });
});

test("a ratio of one sample has no interval, and one of none is refused", () => {
  expect(ratioOfSums([{ sum: 1, count: 2 }]).interval).toEqual([Number.NaN, Number.NaN]);
  expect(() => ratioOfSums([])).toThrow(RangeError);
  expect(() => ratioOfSums([{ sum: 0, count: 0 }])).toThrow(RangeError);
});
