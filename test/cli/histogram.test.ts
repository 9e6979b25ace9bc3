import { expect, test } from "vitest";
import { histogram } from "../../src/cli/histogram.js";

test("rows of round width, with bars in eighths of a character", () => {
  expect(histogram([0, 4, 5, 9, 9, 9, 9, 19, 29], { rows: 6, width: 5 })).toBe(
    ["  0-4 │██ 2", "  5-9 │█████ 5", "10-14 │ 0", "15-19 │█ 1", "20-24 │ 0", "25-29 │█ 1"].join("\n"),
  );
});

test("something shows wherever there is something", () => {
  const values = [...new Array<number>(1000).fill(1), 150];
  const rows = histogram(values, { rows: 4, width: 10 }).split("\n");
  expect(rows).toEqual(["   0-49 │██████████ 1000", "  50-99 │ 0", "100-149 │ 0", "150-199 │▏ 1"]);
});

test("lengths that are all alike", () => {
  expect(histogram([7, 7])).toMatch(/^0 │ 0\n(.*\n)*7 │█{40} 2$/);
});
