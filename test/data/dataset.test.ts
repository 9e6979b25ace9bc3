import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDataset } from "../../src/data/dataset.js";
import { InputError } from "../../src/errors.js";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dataset-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

async function problem(name: string, content: string): Promise<string> {
  const error = await readDataset(await file(name, content)).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).message.replace(folder, "");
}

describe("readDataset", () => {
  test("reads a JSON array of instructions and texts, dropping an empty input and unknown fields", async () => {
    const records = [
      { instruction: "add", input: "1 2", output: "3", id: 7 },
      { instruction: "greet", input: "", output: "hello", text: "greet hello" },
      { instruction: "part", input: null, output: "bye" },
      { text: "once" },
    ];
    expect(await readDataset(await file("a.json", JSON.stringify(records)))).toEqual([
      { instruction: "add", input: "1 2", output: "3" },
      { instruction: "greet", output: "hello" },
      { instruction: "part", output: "bye" },
      { text: "once" },
    ]);
  });

  test("reads one JSON object a line, past a byte order mark, CRLF and blank lines", async () => {
    const path = await file("a.jsonl", '\uFEFF{"text": "one"}\r\n\r\n{"instruction": "two", "output": ""}\n');
    expect(await readDataset(path)).toEqual([{ text: "one" }, { instruction: "two", output: "" }]);
  });

  test("takes any other file as one document, unchanged", async () => {
    expect(await readDataset(await file("a.txt", " One.\n\nTwo.\n"))).toEqual([
      { document: " One.\n\nTwo.\n" },
    ]);
  });

  test.each([
    ["a.json", "", "/a.json: is empty, expected at least one record"],
    ["a.txt", " \n", "/a.txt: is empty, expected at least one record"],
    ["a.json", "[]", "/a.json: holds an empty array, expected at least one record"],
    ["a.json", '{"text": "x"}', "/a.json: holds an object, expected an array of records"],
    ["a.json", '[{"text": "x"}, 3]', "/a.json: record 1: is a number, expected an object"],
    [
      "a.json",
      '[{"instruction": "x", "output": 3}]',
      '/a.json: record 0: field "output": is a number, expected a string',
    ],
    ["a.json", '[{"instruction": "x"}]', '/a.json: record 0: field "output": is missing, expected a string'],
    ["a.jsonl", '{"text": "x"}\n{"text": null}', '/a.jsonl:2: field "text": is null, expected a string'],
    [
      "a.jsonl",
      '{"instruction": "x", "output": "y", "input": []}',
      '/a.jsonl:1: field "input": is an array, expected a string',
    ],
    [
      "a.jsonl",
      '{"question": "x", "answer": "y"}',
      '/a.jsonl:1: has the fields "question", "answer", expected "instruction" and "output", or "text"',
    ],
  ])("refuses %s holding %j", async (name, content, message) => {
    expect(await problem(name, content)).toBe(message);
  });

  test("tells in one line where JSON is broken", async () => {
    expect(await problem("a.json", '[\n{"text": "x"},\n{"text": }\n]')).toMatch(
      /^\/a\.json: is not valid JSON \(Unexpected token .*\); mend it/,
    );
    expect(await problem("a.jsonl", '{"text": "x"}\n\n{"text": "y"')).toMatch(
      /^\/a\.jsonl:3: is not valid JSON \(.*\); each line holds one object$/,
    );
  });

  test("refuses a missing file", async () => {
    await expect(readDataset(join(folder, "none.json"))).rejects.toThrow("none.json: does not exist");
  });
});
