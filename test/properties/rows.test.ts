import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { type ColumnSource, parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, test } from "vitest";
import { openJsonArray } from "../../src/data/rows/array-rows.js";
import { openCsv } from "../../src/data/rows/csv-rows.js";
import { openJsonLines } from "../../src/data/rows/line-rows.js";
import { openParquet } from "../../src/data/rows/parquet-rows.js";
import type { RowFile } from "../../src/data/rows/row-file.js";
import { openText } from "../../src/data/rows/text-rows.js";
import { type ByteSource, memorySource } from "../../src/io/byte-source.js";
import { cut, damage, damaged, holds, names, outcome, refused, share, texts } from "./properties.js";

/** The rows of a file up to the first that is refused, by their values; and whether there was one. */
async function rowsOf(open: (source: ByteSource) => RowFile | Promise<RowFile>, bytes: Uint8Array) {
  const values: unknown[] = [];
  const whole = await outcome(async () => {
    const file = await open(memorySource("rows", bytes));
    try {
      for await (const some of file.scan()) {
        for (const { value, offset, size } of some) {
          const read = value();
          expect(await file.read(offset, size)).toEqual(read);
          values.push(read);
        }
      }
    } finally {
      await file.close();
    }
  });
  return { values, refused: whole === refused };
}

const utf8 = (text: string) => new Uint8Array(Buffer.from(text));
const mark = fc.constantFrom("", "\ufeff");
const lineEnd = fc.constantFrom("\n", "\r\n");
const space = fc.constantFrom("", " ", "\n", "\t\r\n ");

/** Values as JSON can hold them: 0 has no sign there. */
const json = fc
  .oneof(fc.jsonValue(), texts, fc.dictionary(names, texts, { noNullPrototype: true }))
  .map((value): unknown => JSON.parse(JSON.stringify(value)));
const lists = fc.array(json, { maxLength: 5 });

const formats: Record<string, (source: ByteSource) => RowFile | Promise<RowFile>> = {
  JSON: openJsonArray,
  "JSON lines": openJsonLines,
  CSV: (source) => openCsv(source, ","),
  TSV: (source) => openCsv(source, "\t"),
  text: openText,
  Parquet: (source) => openParquet(source, []),
};

describe("a JSON array", () => {
  const files = fc.record({
    list: lists,
    mark,
    spaces: fc.array(space, { minLength: 20, maxLength: 20 }),
    indent: fc.nat(2),
  });
  const encode = ({ list, mark, spaces, indent }: typeof files extends fc.Arbitrary<infer T> ? T : never) => {
    const items = list.map(
      (item, i) => spaces[2 * i]! + JSON.stringify(item, null, indent) + spaces[2 * i + 1]!,
    );
    return utf8(`${mark}${spaces[18]}[${items.join(",")}]${spaces[19]}`);
  };

  test("of any values gives them, however it is spaced", () =>
    holds(300, files, async (file) => {
      expect(await rowsOf(openJsonArray, encode(file))).toEqual({ values: file.list, refused: false });
    }));

  test("that was cut off is refused after the first of its values", () =>
    holds(300, files, share, async (file, left) => {
      const bytes = encode({ ...file, mark: "", spaces: file.spaces.map(() => "") });
      const { values, refused } = await rowsOf(openJsonArray, cut(bytes, left));
      expect(values).toEqual(file.list.slice(0, values.length));
      // No bytes at all are no rows.
      expect(refused).toBe(Math.floor(bytes.length * left) > 0);
    }));
});

describe("JSON lines", () => {
  const files = fc.record({ list: lists, mark, end: lineEnd, blank: fc.boolean() });
  const encode = ({ list, mark, end, blank }: typeof files extends fc.Arbitrary<infer T> ? T : never) =>
    utf8(mark + list.map((item) => JSON.stringify(item) + end + (blank ? ` ${end}` : "")).join(""));

  test("of any values give them, whatever ends a line", () =>
    holds(300, files, async (file) => {
      expect(await rowsOf(openJsonLines, encode(file))).toEqual({ values: file.list, refused: false });
    }));

  test("that were cut off give the first of their values: a line that is not whole is refused", () => {
    // Of a number some digits would be a number too.
    const objects = files.map((file) => ({ ...file, list: file.list.map((x) => ({ x })) }));
    return holds(300, objects, share, async ({ list, end, blank }, left) => {
      const bytes = cut(encode({ list, end, blank, mark: "" }), left);
      let [whole, at] = [0, 0];
      for (const item of list) {
        const size = Buffer.byteLength(JSON.stringify(item));
        if (at + size > bytes.length) break;
        at += size + end.length + (blank ? 1 + end.length : 0);
        whole++;
      }
      const refused = whole < list.length && at < bytes.length;
      expect(await rowsOf(openJsonLines, bytes)).toEqual({ values: list.slice(0, whole), refused });
    });
  });
});

describe.each([",", "\t"] as const)("values separated by %j", (delimiter) => {
  /** A table with columns of different names. Whether a field is quoted that need not be is drawn too. */
  const tables = fc.uniqueArray(fc.oneof(texts, names), { minLength: 1, maxLength: 4 }).chain((columns) =>
    fc.record({
      columns: fc.constant(columns),
      rows: fc.array(fc.array(texts, { minLength: columns.length, maxLength: columns.length }), {
        maxLength: 5,
      }),
      quotes: fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
      mark,
      end: lineEnd,
      last: fc.boolean(),
    }),
  );
  type Table = typeof tables extends fc.Arbitrary<infer T> ? T : never;

  const encode = ({ columns, rows, quotes, mark, end, last }: Table) => {
    const lines = [columns, ...rows].map((row, y) => {
      const fields = row.map((text, x) => {
        const needed = /["\n\r]/.test(text) || text.includes(delimiter) || (row.length === 1 && text === "");
        return needed || quotes[y * 4 + x] ? `"${text.replaceAll('"', '""')}"` : text;
      });
      return fields.join(delimiter);
    });
    return utf8(mark + lines.join(end) + (last ? end : ""));
  };
  const objects = ({ columns, rows }: Table) =>
    rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
  const open = (source: ByteSource) => openCsv(source, delimiter);

  test("of any texts give them, quoted or not", () =>
    // A mark of its own before an unquoted first name would be the file's.
    holds(
      1000,
      tables.filter(({ mark, columns }) => mark !== "" || !columns[0]!.startsWith("\ufeff")),
      async (table) => {
        expect(await rowsOf(open, encode(table))).toEqual({ values: objects(table), refused: false });
      },
    ));

  test("in quotes that were cut off give the first rows: a field that is not whole is refused", () =>
    holds(1000, tables, share, async (table, left) => {
      // Of a doubled quote that is cut in two the first closes its field.
      const rows = table.rows.map((row) => row.map((text) => text.replaceAll('"', "'")));
      const quoted: Table = { ...table, rows, mark: "", quotes: table.quotes.map(() => true) };
      const { values } = await rowsOf(open, cut(encode(quoted), left));
      expect(values).toEqual(objects(quoted).slice(0, values.length));
    }));
});

describe("a text", () => {
  const files = fc.record({ text: fc.array(texts, { maxLength: 20 }).map((parts) => parts.join("")), mark });
  const pieces = (values: readonly unknown[]) =>
    values.map((value) => (value as { document: string }).document).join("");

  test("is its pieces, whatever it holds; one that is blank has none", () =>
    holds(300, files, async ({ text, mark }) => {
      const { values, refused } = await rowsOf(openText, utf8(mark + text));
      const shown = mark === "" ? text.replace(/^\ufeff/, "") : text;
      expect(refused).toBe(false);
      expect(pieces(values)).toBe([...shown].every((x) => x <= " ") ? "" : shown);
    }));

  test("of many pieces is all of them, and no character is cut", () =>
    holds(
      20,
      fc.array(texts, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 3 }),
      async (parts, times) => {
        const part = `x${parts.join("")}`;
        const text = part.repeat(Math.ceil((times * 50_000) / part.length));
        const { values, refused } = await rowsOf(openText, utf8(text));
        expect(refused).toBe(false);
        expect(pieces(values)).toBe(text);
      },
    ));

  test("that was cut off is its beginning, or is refused within a character", () =>
    holds(300, files, share, async ({ text }, left) => {
      const { values } = await rowsOf(openText, cut(utf8(text), left));
      expect(text.replace(/^\ufeff/, "").startsWith(pieces(values))).toBe(true);
    }));
});

const tables = await Promise.all(
  ["tasks-none", "tasks-snappy", "tasks-gzip", "chats"].map(
    async (name) => new Uint8Array(await readFile(`test/fixtures/datasets/${name}.parquet`)),
  ),
);

describe("a Parquet file", () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0); // JSON has no -0.
  const message = fc.record({ role: fc.constantFrom("system", "user", "assistant"), content: texts });
  const rows = fc.array(
    fc.record({
      text: fc.option(texts),
      label: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      score: fc.option(number),
      seen: fc.boolean(),
      messages: fc.option(fc.array(message, { maxLength: 3 })),
    }),
    { maxLength: 12 },
  );
  const layout = fc.record({
    rowGroupSize: fc.integer({ min: 1, max: 5 }),
    pageSize: fc.constantFrom(1, 40, 2 ** 20),
    codec: fc.constantFrom("UNCOMPRESSED" as const, "SNAPPY" as const),
  });
  const text = { type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" } as const;
  const schema: NonNullable<Parameters<typeof parquetWriteBuffer>[0]["schema"]> = [
    { name: "root", num_children: 5 },
    { name: "text", ...text },
    { name: "label", type: "INT32", repetition_type: "REQUIRED" },
    { name: "score", type: "DOUBLE", repetition_type: "OPTIONAL" },
    { name: "seen", type: "BOOLEAN", repetition_type: "REQUIRED" },
    { name: "messages", converted_type: "LIST", repetition_type: "OPTIONAL", num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", repetition_type: "OPTIONAL", num_children: 2 },
    { name: "role", ...text },
    { name: "content", ...text },
  ];
  const names = ["text", "label", "score", "seen", "messages"] as const;

  test("of texts, numbers and conversations gives them, however it is cut into groups and pages", () =>
    holds(300, rows, layout, async (rows, layout) => {
      const columnData = names.map((name): ColumnSource => ({ name, data: rows.map((row) => row[name]) }));
      const bytes = new Uint8Array(parquetWriteBuffer({ columnData, schema, ...layout }));
      // The library leaves a list that is null out of its row.
      const values = rows.map(({ messages, ...row }) => (messages ? { ...row, messages } : row));
      expect(await rowsOf(formats.Parquet!, bytes)).toEqual({ values, refused: false });
    }));
});

test("a Parquet file that was cut off anywhere is refused", () =>
  holds(100, fc.constantFrom(...tables), share, async (bytes, left) => {
    expect(await rowsOf(formats.Parquet!, cut(bytes, left))).toEqual({ values: [], refused: true });
  }));

test.each(Object.entries(formats))(
  "any bytes are rows or refused, and no other error (%s)",
  async (name, open) => {
    const samples: readonly Uint8Array[] =
      name === "Parquet" ? tables : [utf8('[{"a": "b,c\\n"},\n{"d"\t: 1}]\n"x","y"\r\n')];
    await holds(300, fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      await rowsOf(open, bytes);
    });
    await holds(200, fc.constantFrom(...samples), damage, async (bytes, places) => {
      await rowsOf(open, damaged(bytes, places));
    });
  },
);
