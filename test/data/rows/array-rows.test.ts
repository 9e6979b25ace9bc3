import { describe, expect, test } from "vitest";
import { openWritten, rowsOf } from "./open.js";

const items = [{ text: 'a "quoted, ]} \\" one' }, [1, [2, 3]], "b,]", 4, null, { a: { b: ["}"] } }, {}];

test.each([undefined, 1, "\t"])("the items of an array, indented by %j", async (indent) => {
  const { values, again } = await rowsOf(
    await openWritten("a.json", `\uFEFF ${JSON.stringify(items, null, indent)}\n`),
  );
  expect(values).toEqual(items);
  expect(again).toEqual(items);
});

test("items reach over the ends of what is read at a time", async () => {
  const long = Array.from({ length: 30 }, (_, i) => ({ i, text: '"grüße" \\'.repeat(i * 3000) }));
  const { values, again } = await rowsOf(await openWritten("a.json", JSON.stringify(long, null, 1)));
  expect(values).toEqual(long);
  expect(again).toEqual(long);
});

test("rows are named by line and number", async () => {
  const { rows } = await rowsOf(await openWritten("a.json", '[\n{"a":\n1}, 2,\n\n3]'));
  expect(rows.map(({ where }) => where)).toEqual([
    "a.json:2: record 0",
    "a.json:3: record 1",
    "a.json:5: record 2",
  ]);
});

test("an item that is broken leaves the others as they are", async () => {
  const { values } = await rowsOf(await openWritten("a.json", '[1,\n{"a": },\n,3,]'));
  expect(values).toEqual([
    1,
    expect.stringMatching(/^a\.json:2: record 1: is not valid JSON/),
    expect.stringMatching(/^a\.json:3: record 2: is not valid JSON/),
    3,
    expect.stringMatching(/^a\.json:3: record 4: is not valid JSON/),
  ]);
});

describe("refuses", () => {
  test.each([
    ["7", "a.json:1: holds no array, expected an array of records"],
    ["[1, 2", "a.json:1: ends inside the array; is it cut off?"],
    ['[\n{"a": "b}]', "a.json:2: ends inside the array; is it cut off?"],
    ["[\n", "a.json:2: ends inside the array; is it cut off?"],
    ["[1]\n\n[2]", "a.json:3: has more after the end of the array"],
  ])("%j", async (content, message) => {
    await expect(rowsOf(await openWritten("a.json", content))).rejects.toThrow(message);
  });
});

test("a .json file of objects has one a line", async () => {
  const { values } = await rowsOf(await openWritten("a.json", '{"a": 1}\n{"a": 2}\n'));
  expect(values).toEqual([{ a: 1 }, { a: 2 }]);
});
