import { readFile } from "node:fs/promises";
import { parquetMetadataAsync, type RowGroup } from "hyparquet";
import { beforeAll, describe, expect, test } from "vitest";
import { checkFooter, checkPages, skipStruct } from "../../../src/data/rows/parquet-checks.js";

const viewOf = (...bytes: number[]) => new DataView(Uint8Array.from(bytes).buffer);

describe("a structure of Thrift's", () => {
  test.each([
    ["nothing", [0]],
    ["a flag, a byte and numbers", [0x11, 0x13, 5, 0x15, 0x80, 1, 0x16, 3, 0]],
    ["a field far from the last", [0x05, 0x20, 9, 0]],
    ["a text and a list of texts", [0x18, 2, 65, 66, 0x19, 0x28, 1, 65, 0, 0]],
    ["a long list of numbers", [0x19, 0xf5, 16, ...Array(16).fill(1), 0]],
    ["a structure in a list in a structure", [0x1c, 0x19, 0x1c, 0x15, 1, 0, 0, 0]],
    ["a list of flags", [0x19, 0x31, 1, 2, 1, 0]],
  ])("with %s ends where it ends", (_, bytes) => {
    expect(skipStruct(viewOf(...bytes, 99, 99), 0)).toBe(bytes.length);
  });

  test.each([
    ["a text longer than all", [0x18, 0x7f, 65, 0], /claim 127 bytes, more than there are/],
    ["a list longer than all", [0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x0f, 0], /claim \d+ items/],
    ["a number without an end", [0x15, ...Array(11).fill(0x80)], /a number without an end/],
    ["no end", [0x15, 1], /Offset is outside the bounds/],
    ["a type that is none", [0x1b, 0], /a value of the type 11/],
    ["itself, over and over", Array(100).fill(0x1c), /nested too deeply/],
  ])("with %s is refused", (_, bytes, problem) => {
    expect(() => skipStruct(viewOf(...bytes), 0)).toThrow(problem);
  });
});

describe("a file", () => {
  let bytes: Uint8Array<ArrayBuffer>;
  let group: RowGroup;
  beforeAll(async () => {
    bytes = Uint8Array.from(await readFile("test/fixtures/datasets/tasks-none.parquet"));
    const { buffer } = bytes;
    group = (await parquetMetadataAsync({ byteLength: bytes.length, slice: (a, b) => buffer.slice(a, b) }))
      .row_groups[0]!;
  });

  test("that is sound passes, whole and in its parts", () => {
    checkFooter(bytes.buffer);
    checkPages(bytes.buffer, 0, group);
    for (const start of [4, 100, 1000]) checkPages(bytes.buffer.slice(start), start, group);
  });

  test.each([
    ["fewer columns than none", -3],
    ["more columns than there are", 60],
  ])("whose schema has %s is refused", (_, children) => {
    const changed = Uint8Array.from(bytes);
    const footer = changed.length - 8 - new DataView(changed.buffer).getUint32(changed.length - 8, true);
    const root = Buffer.from(changed.buffer).indexOf("schema", footer) + "schema".length;
    expect(changed[root]).toBe(0x15);
    changed[root + 1] = children < 0 ? -2 * children - 1 : 2 * children;
    expect(() => checkFooter(changed.buffer)).toThrow(/its schema/);
  });

  test("whose page claims more values than there can be is refused", () => {
    const column = group.columns[0]!.meta_data!;
    const at = Number(column.dictionary_page_offset ?? column.data_page_offset);
    // type, uncompressed and compressed size, the dictionary's header with so many values
    const page = [0x15, 4, 0x15, 2, 0x15, 2, 0x4c, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0];
    const changed = Uint8Array.from(bytes);
    changed.set(page, at);
    expect(() => checkPages(changed.buffer, 0, group)).toThrow(
      "a page claims 2147483647 values, at most 1048577",
    );
  });
});
