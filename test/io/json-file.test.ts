import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import {
  isMissingFile,
  readJsonFile,
  readJsonFileIfPresent,
  readTextFile,
  readTextFileIfPresent,
} from "../../src/io/json-file.js";

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), "tptt-")), "a.json");
});
afterEach(() => rm(join(path, ".."), { recursive: true }));

test("an object is read with every key, a text as it is", async () => {
  await writeFile(path, '{"a": [1, "é"], "__proto__": 2}');
  const json = await readJsonFile(path);
  expect(Object.entries(json)).toEqual([
    ["a", [1, "é"]],
    ["__proto__", 2],
  ]);
  expect(await readTextFile(path)).toContain('"é"');
  expect(await readJsonFileIfPresent(path)).toEqual(json);
});

test("a file that does not exist is an error, or undefined where that is allowed", async () => {
  const failed = await readJsonFile(path).catch((error) => error);
  expect(failed).toBeInstanceOf(InputError);
  expect(failed.message).toBe(`${path}: does not exist; check the path`);
  expect(isMissingFile(failed)).toBe(true);
  expect(isMissingFile(new InputError(path, "is broken"))).toBe(false);
  expect(await readJsonFileIfPresent(path)).toBeUndefined();
  expect(await readTextFileIfPresent(path)).toBeUndefined();
});

test.each([
  ["{", "is not valid JSON ("],
  ["", "is not valid JSON ("],
  ["[1]", "holds an array, expected a JSON object"],
  ["null", "holds null, expected a JSON object"],
  ["3", "holds a number, expected a JSON object"],
  [Uint8Array.of(0x22, 0xff, 0x22), "is not UTF-8 text; save it as UTF-8"],
])("%j is refused, also where a file may be missing", async (content, message) => {
  await writeFile(path, content);
  await expect(readJsonFile(path)).rejects.toThrow(`${path}: ${message}`);
  await expect(readJsonFileIfPresent(path)).rejects.toThrow(message);
});

test("a file past all reason is refused before it is read", async () => {
  const file = await open(path, "w");
  await file.truncate(2 ** 40);
  await file.close();
  await expect(readTextFile(path)).rejects.toThrow(`has ${2 ** 40} bytes, expected at most 268435456`);
});
