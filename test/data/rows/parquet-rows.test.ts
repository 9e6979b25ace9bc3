import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openRows } from "../../../src/data/dataset-files.js";
import { InputError } from "../../../src/errors.js";
import { Random } from "../../../src/random.js";
import { temporaryFolder } from "../../models/fixture.js";
import { openWritten, rowsOf } from "./open.js";

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/datasets/${name}`, import.meta.url));

test.each(["none", "snappy", "gzip", "brotli", "zstd", "lz4"])(
  "the rows of all groups of a file that is compressed by %s, with the columns that are asked for",
  async (codec) => {
    const file = await openRows(fixture(`tasks-${codec}.parquet`), [
      "instruction",
      "input",
      "output",
      "text",
    ]);
    const { rows, values, again } = await rowsOf(file);
    expect(rows).toHaveLength(10);
    expect(rows[6]).toEqual({
      where: `tasks-${codec}.parquet: row 6`,
      value: { instruction: "what is 6 and 6?", input: "", output: "it is 12." },
    });
    expect(values[7]).toMatchObject({ input: null });
    expect(again).toEqual(values);
  },
);

test("conversations, and all columns when none of those asked for is there", async () => {
  const chats = await rowsOf(await openRows(fixture("chats.parquet"), ["messages"]));
  expect(chats.values[1]).toEqual({
    messages: [
      { role: "user", content: "say grüße" },
      { role: "assistant", content: "grüße!" },
    ],
  });
  const tasks = await rowsOf(await openRows(fixture("tasks-zstd.parquet"), ["text"]));
  expect(tasks.values[3]).toEqual({
    instruction: "what is 3 and 3?",
    input: null,
    output: "it is 6.",
    id: 3,
  });
});

describe("refuses", () => {
  test("a file that is none, and one that is cut off", async () => {
    const problem = /a\.parquet: cannot be read as Parquet \(.*\); is it whole\?/;
    await expect(rowsOf(await openWritten("a.parquet", "no such thing"))).rejects.toThrow(problem);
    const whole = await readFile(fixture("tasks-snappy.parquet"));
    await expect(rowsOf(await openWritten("a.parquet", whole.subarray(0, -100)))).rejects.toThrow(problem);
  });

  test("files with wrong bytes, each in one way: none ends the process or takes long", async () => {
    const random = new Random(2);
    const folder = await temporaryFolder();
    const path = join(folder, "a.parquet");
    const files = await Promise.all(
      ["tasks-snappy", "tasks-zstd", "chats"].map((name) => readFile(fixture(`${name}.parquet`))),
    );
    let refused = 0;
    for (let i = 0; i < 600; i++) {
      const bytes = Buffer.from(random.choice(files));
      for (let changes = random.below(3); changes >= 0; changes--)
        bytes[random.below(bytes.length)] = random.below(256);
      await writeFile(path, bytes);
      const start = performance.now();
      const file = await openRows(path, ["instruction", "messages"]);
      try {
        for await (const rows of file.scan()) for (const row of rows) row.value();
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        refused++;
      }
      await file.close();
      expect(performance.now() - start).toBeLessThan(1000);
    }
    expect(refused).toBeGreaterThan(200);
  });
});
