import { expect, test } from "vitest";
import { placeOfRows, rowRanges } from "../../src/io/row-range.js";

test("rows of a tensor are a tensor further on in the file", () => {
  const place = { name: "w", shape: [4, 3, 2], offset: 100, byteLength: 96 };
  expect(placeOfRows(place, undefined)).toBe(place);
  expect(placeOfRows(place, { start: 1, end: 3 })).toEqual({
    name: "w",
    shape: [2, 3, 2],
    offset: 124,
    byteLength: 48,
  });
  for (const [start, end] of [
    [0, 5],
    [-1, 2],
    [3, 2],
  ] as const)
    expect(() => placeOfRows(place, { start, end })).toThrow(`rows ${start}..${end} of a tensor [4,3,2]`);
});

test("a tensor without rows has a range of none", () => {
  const place = { shape: [0, 3], offset: 100, byteLength: 0 };
  expect(placeOfRows(place, { start: 0, end: 0 })).toEqual(place);
});

test("a tensor is cut into ranges of at most so many elements, which hold each row once", () => {
  expect([...rowRanges([7, 10], 35)]).toEqual([
    { start: 0, end: 3 },
    { start: 3, end: 6 },
    { start: 6, end: 7 },
  ]);
  expect([...rowRanges([2, 5, 4], 30)]).toEqual([
    { start: 0, end: 1 },
    { start: 1, end: 2 },
  ]);
});

test("a row is never cut; a vector and a small tensor are one piece", () => {
  expect([...rowRanges([2, 10], 4)]).toEqual([
    { start: 0, end: 1 },
    { start: 1, end: 2 },
  ]);
  for (const shape of [[], [100], [3, 4], [0, 4]]) expect([...rowRanges(shape, 12)]).toEqual([undefined]);
});
