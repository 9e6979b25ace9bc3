import Papa from "papaparse";
import { expect, test } from "vitest";
import { Random } from "../../../src/random.js";
import { openWritten, rowsOf } from "./open.js";

test("the first row names the columns; quotes hold commas, quotes and line feeds", async () => {
  const text = '\uFEFFtext,b\r\n"one\n1, ""x""",y\r\n\r\nzwölf,\r\n"last","z"';
  const { rows, values, again } = await rowsOf(await openWritten("a.csv", text));
  expect(rows).toEqual([
    { where: "a.csv:2", value: { text: 'one\n1, "x"', b: "y" } },
    { where: "a.csv:5", value: { text: "zwölf", b: "" } },
    { where: "a.csv:6", value: { text: "last", b: "z" } },
  ]);
  expect(again).toEqual(values);
});

test("a byte order mark is passed over at the start of the file alone", async () => {
  const { values, again } = await rowsOf(await openWritten("a.csv", "\ufeffa,b\n\ufeff1,\ufeff2\n"));
  expect(values).toEqual([{ a: "\ufeff1", b: "\ufeff2" }]);
  expect(again).toEqual(values);
});

test(".tsv has tabs", async () => {
  const { values } = await rowsOf(await openWritten("a.tsv", 'a\tb\n1,2\t"3\t4"\n'));
  expect(values).toEqual([{ a: "1,2", b: "3\t4" }]);
});

test("a row of another width or with a broken quote is named, and the next one is whole", async () => {
  const { rows } = await rowsOf(await openWritten("a.csv", 'a,b\n1,2,3\n"x"z,1\ny"4,5\n6,7\n'));
  expect(rows).toEqual([
    {
      where: "a.csv:2",
      value: "a.csv:2: has 3 fields, the header has 2; quote fields that hold a delimiter",
    },
    { where: "a.csv:3", value: expect.stringMatching(/^a\.csv:3: Trailing quote .*; mend its quotes$/) },
    { where: "a.csv:4", value: { a: 'y"4', b: "5" } },
    { where: "a.csv:5", value: { a: "6", b: "7" } },
  ]);
});

test("whatever the fields, they are read as they were written, over the ends of what is read at a time", async () => {
  const random = new Random(1);
  const field = () =>
    Array.from({ length: random.below(40) }, () =>
      random.choice(["a", "ü", ",", '"', "\n", " ", "\r\n"]),
    ).join("");
  const data = Array.from({ length: 30_000 }, (_, i) => ({ n: String(i), a: field(), b: field() }));
  const { values, again } = await rowsOf(await openWritten("a.csv", Papa.unparse(data)));
  expect(values).toEqual(data);
  expect(again).toEqual(data);
});
