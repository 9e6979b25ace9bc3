import { expect, test } from "vitest";
import { openWritten, rowsOf } from "./open.js";

test("a value a line, past a byte order mark, CRLF and blank lines", async () => {
  const { rows, values, again } = await rowsOf(
    await openWritten("a.jsonl", '\uFEFF{"a": 1}\r\n\r\n  \n[2]\n"three"'),
  );
  expect(rows).toEqual([
    { where: "a.jsonl:1", value: { a: 1 } },
    { where: "a.jsonl:4", value: [2] },
    { where: "a.jsonl:5", value: "three" },
  ]);
  expect(again).toEqual(values);
});

test("a broken line and one that is not UTF-8 are named", async () => {
  const bytes = Buffer.concat([Buffer.from('{"a": \n"'), Buffer.from([0xff]), Buffer.from('"\n1\n')]);
  const { values } = await rowsOf(await openWritten("a.jsonl", bytes));
  expect(values[0]).toMatch(/^a\.jsonl:1: is not valid JSON \(.*\); each line holds one object$/);
  expect(values.slice(1)).toEqual(["a.jsonl:2: is not UTF-8 text; save the file as UTF-8", 1]);
});

test("lines reach over the ends of what is read at a time", async () => {
  const lines = Array.from({ length: 40 }, (_, i) => ({ i, text: "grüße ".repeat(i * 3000) }));
  const { values, again } = await rowsOf(
    await openWritten("a.jsonl", lines.map((line) => JSON.stringify(line)).join("\n")),
  );
  expect(values).toEqual(lines);
  expect(again).toEqual(lines);
});

test("a line of more than 64 MiB is refused", async () => {
  const file = await openWritten("a.jsonl", Buffer.alloc(66 * 2 ** 20, "x"));
  await expect(rowsOf(file)).rejects.toThrow(/a\.jsonl: byte 0: begins a row of more than 67108864 bytes/);
});
