import { expect, test } from "vitest";
import { openWritten, rowsOf } from "./open.js";

test("a short text is one piece, unchanged but for a byte order mark", async () => {
  const { rows, again } = await rowsOf(await openWritten("a.txt", "\uFEFF One.\n\nTwo.\n"));
  expect(rows).toEqual([{ where: "a.txt:1", value: { document: " One.\n\nTwo.\n" } }]);
  expect(again).toEqual([{ document: " One.\n\nTwo.\n" }]);
});

test.each([
  ["lines", "grüße an alle\n", "\n"],
  ["words", "grüße ", " "],
  ["letters of two bytes", "ü", "ü"],
])("a long text of %s is cut between them, and nothing is lost", async (_, unit, end) => {
  const text = unit.repeat(200_000);
  const { rows, values, again } = await rowsOf(await openWritten("a.md", text));
  const pieces = values as { document: string; continues?: boolean }[];
  expect(pieces.map(({ document }) => document).join("") === text).toBe(true);
  expect(
    pieces.every(({ document }) => document.endsWith(end) && Buffer.byteLength(document) <= 32_768),
  ).toBe(true);
  expect(pieces.map(({ continues }) => continues)).toEqual([...pieces.slice(1).map(() => true), undefined]);
  expect(again).toEqual(values);
  const linesBefore = pieces[0]!.document.split("\n").length;
  expect(rows[1]!.where).toBe(`a.md:${linesBefore}`);
});

test("white space alone is nothing", async () => {
  expect((await rowsOf(await openWritten("a.txt", " \n\t\n"))).rows).toEqual([]);
});
