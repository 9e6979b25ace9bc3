import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { boundedCompressors } from "../../../src/data/rows/decompress.js";

const text = Buffer.from("a text, a text, a text");

describe.each([
  ["GZIP", gzipSync],
  ["BROTLI", brotliCompressSync],
] as const)("%s", (codec, compress) => {
  const decompress = boundedCompressors[codec]!;

  test("gives what was compressed", () => {
    expect(Buffer.from(decompress(compress(text), text.length))).toEqual(text);
  });

  test("does not give more than the page claims", () => {
    expect(() => decompress(compress(Buffer.alloc(2 ** 24)), 1000)).toThrow();
  });
});

test.each(Object.keys(boundedCompressors))("%s does not believe any size", (codec) => {
  const decompress = boundedCompressors[codec as "GZIP"]!;
  for (const size of [2 ** 31, 2 ** 25 + 1, -1, Number.NaN]) {
    expect(() => decompress(new Uint8Array(100), size)).toThrow("a page of 100 bytes claims to become");
  }
  expect(decompress(new Uint8Array(0), 0)).toHaveLength(0);
});
