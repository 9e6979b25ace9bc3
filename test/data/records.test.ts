import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Records, readDataset } from "../../src/data/records.js";
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

  test("reads questions with choices, whose answer is a number or a letter", async () => {
    const rows = [
      { question: "1 + 1?", choices: ["1", "2"], answer: 1, subject: "sums" },
      { question: "2 + 2?", choices: ["1", "3", "4"], answer: " C" },
    ];
    expect(await readDataset(await file("a.json", JSON.stringify(rows)))).toEqual([
      { question: "1 + 1?", choices: ["1", "2"], answer: 1, subject: "sums" },
      { question: "2 + 2?", choices: ["1", "3", "4"], answer: 2 },
    ]);
  });

  test.each([
    [{ choices: "a" }, 'field "choices": is a string, expected an array'],
    [{ choices: ["a"] }, 'field "choices": expected 2 to 26 texts that are not empty'],
    [{ choices: ["a", 2] }, 'field "choices": expected 2 to 26 texts that are not empty'],
    [
      { choices: ["a", "b"] },
      'field "answer": is missing, expected a number from 0 to 1 or a letter from A to B',
    ],
    [{ choices: ["a", "b"], answer: 2 }, 'field "answer": is 2, expected'],
    [{ choices: ["a", "b"], answer: 0.5 }, 'field "answer": is 0.5, expected'],
    [{ choices: ["a", "b"], answer: "AB" }, 'field "answer": is "AB", expected'],
    [{ choices: ["a", "b"], answer: "" }, 'field "answer": is "", expected'],
    [{ choices: ["a", "b"], answer: 0 }, 'field "question": is missing, expected a string'],
  ])("refuses the question %j", async (row, message) => {
    expect(await problem("a.jsonl", JSON.stringify(row))).toContain(`/a.jsonl:1: ${message}`);
  });

  test("takes any other file as one document, unchanged", async () => {
    expect(await readDataset(await file("a.txt", " One.\n\nTwo.\n"))).toEqual([
      { document: " One.\n\nTwo.\n" },
    ]);
  });

  test.each([
    ["a.json", "", "/a.json: is empty, expected at least one record"],
    ["a.txt", " \n", "/a.txt: is empty, expected at least one record"],
    ["a.json", "[]", "/a.json: is empty, expected at least one record"],
    ["a.csv", "text\n", "/a.csv: is empty, expected at least one record"],
    ["a.json", "7", "/a.json:1: holds no array, expected an array of records"],
    ["a.json", '[{"text": "x"}, 3]', "/a.json:1: record 1: is a number, expected an object"],
    [
      "a.json",
      '[{"instruction": "x", "output": 3}]',
      '/a.json:1: record 0: field "output": is a number, expected a string',
    ],
    [
      "a.json",
      '[{"instruction": "x"}]',
      '/a.json:1: record 0: field "output": is missing, expected a string',
    ],
    ["a.jsonl", '{"text": "x"}\n{"text": null}', '/a.jsonl:2: field "text": is null, expected a string'],
    [
      "a.jsonl",
      '{"instruction": "x", "output": "y", "input": []}',
      '/a.jsonl:1: field "input": is an array, expected a string',
    ],
    [
      "a.jsonl",
      '{"question": "x", "answer": "y"}',
      '/a.jsonl:1: has the fields "question", "answer", expected "messages", or "instruction" and "output", or "question", "choices" and "answer", or "text"; name them with columns',
    ],
    ["a.jsonl", '{"messages": "hi"}', '/a.jsonl:1: field "messages": is a string, expected an array'],
    [
      "a.jsonl",
      '{"messages": [{"role": "user"}, {"content": "x"}]}',
      '/a.jsonl:1: field "messages": has at 1 no object with a "role"; a message is {"role", "content"}',
    ],
    [
      "a.jsonl",
      '{"messages": [{"role": "user", "content": "x"}]}',
      '/a.jsonl:1: field "messages": has no message of the role "assistant", so there is nothing to learn',
    ],
    [
      "a.csv",
      "instruction,output\nx,y\nz\n",
      "/a.csv:3: has 1 fields, the header has 2; quote fields that hold a delimiter",
    ],
  ])("refuses %s holding %j", async (name, content, message) => {
    expect(await problem(name, content)).toBe(message);
  });

  test("tells in one line where JSON is broken", async () => {
    expect(await problem("a.json", '[\n{"text": "x"},\n{"text": }\n]')).toMatch(
      /^\/a\.json:3: record 1: is not valid JSON \(Unexpected token .*\); mend it/,
    );
    expect(await problem("a.jsonl", '{"text": "x"}\n\n{"text": "y"')).toMatch(
      /^\/a\.jsonl:3: is not valid JSON \(.*\); each line holds one object$/,
    );
  });

  test("refuses a missing file", async () => {
    await expect(readDataset(join(folder, "none.json"))).rejects.toThrow("none.json: does not exist");
  });
});

describe("the columns of records", () => {
  const read = async (row: object, options: Parameters<typeof readDataset>[1]) =>
    (await readDataset(await file("c.jsonl", JSON.stringify(row)), options))[0];

  test("have other names where they are told", async () => {
    const row = { question: "x", answer: "y", input: "z", text: "t" };
    expect(await read(row, { columns: { instruction: "question", output: "answer" } })).toEqual({
      instruction: "x",
      output: "y",
    });
    expect(await read(row, { columns: { text: "question" } })).toEqual({ text: "x" });
    await expect(read(row, { columns: { instruction: "question", output: "reply" } })).rejects.toThrow(
      'c.jsonl:1: field "reply": is missing, expected a string',
    );
  });

  test("are read in the style that is asked for", async () => {
    const row = { instruction: "x", input: "z", output: "y", text: "t" };
    const messages = [
      { role: "user", content: "x\nz" },
      { role: "assistant", content: "y" },
    ];
    expect(await read(row, { promptStyle: "chat" })).toEqual({ messages });
    expect(await read(row, { promptStyle: "plain" })).toEqual({ text: "t" });
    expect(await read(row, { promptStyle: "alpaca" })).toEqual({ instruction: "x", input: "z", output: "y" });
    expect(await read({ ...row, messages }, {})).toEqual({ messages });
    await expect(read({ text: "t" }, { promptStyle: "alpaca" })).rejects.toThrow(
      'field "instruction": is missing',
    );
  });
});

describe("a data set's name", () => {
  test("is a folder or a pattern, whose files are read in the order of their names", async () => {
    await mkdir(join(folder, "set/deep"), { recursive: true });
    await file("set/b.jsonl", '{"text": "b"}');
    await file("set/a.csv", "text\na");
    await file("set/deep/c.json", '[{"text": "c"}]');
    await file("set/README.md", "not data");
    const texts = async (...names: string[]) =>
      (await readDataset(names.map((name) => join(folder, name)))).map(
        (record) => "text" in record && record.text,
      );
    expect(await texts("set")).toEqual(["a", "b", "c"]);
    expect(await texts("set/*.{jsonl,csv}")).toEqual(["a", "b"]);
    expect(await texts("set/**/*.json", "set/b.jsonl")).toEqual(["c", "b"]);
    await file("set/odd[1].jsonl", '{"text": "odd"}');
    expect(await texts("set/odd[1].jsonl")).toEqual(["odd"]);
  });

  test("that stands for no file is refused", async () => {
    await mkdir(join(folder, "nothing"));
    await expect(readDataset(join(folder, "nothing"))).rejects.toThrow(
      "nothing: holds no data file, expected .json",
    );
    await expect(readDataset(join(folder, "*.none"))).rejects.toThrow(
      "*.none: matches no file; check the pattern",
    );
  });
});

describe("malformed rows", () => {
  const rows = ['{"text": "one"}', '{"text": 2}', "{", '{"text": "three"}'].join("\n");

  test("are left out only when asked, told and counted", async () => {
    const path = await file("m.jsonl", rows);
    await expect(readDataset(path)).rejects.toThrow(
      'm.jsonl:2: field "text": is a number, expected a string',
    );
    const problems: string[] = [];
    const records = await Records.open([path], {
      skipMalformed: true,
      onMalformed: (problem) => problems.push(problem.replace(folder, "")),
    });
    expect(records).toMatchObject({ length: 2, malformed: 2 });
    expect(await records.read(1)).toEqual({ text: "three" });
    expect(problems).toEqual([
      '/m.jsonl:2: field "text": is a number, expected a string',
      expect.stringMatching(/^\/m\.jsonl:3: is not valid JSON/),
    ]);
    await records.close();
  });

  test("leave nothing where all are", async () => {
    const path = await file("n.jsonl", "1\n2");
    await expect(readDataset(path, { skipMalformed: true })).rejects.toThrow(
      "n.jsonl: has no record that can be read",
    );
  });
});

test("the fingerprint is that of the records, whatever form they are stored in", async () => {
  const of = async (name: string, content: string, options = {}) => {
    const records = await Records.open([await file(name, content)], options);
    await records.close();
    return records.fingerprint;
  };
  const first = await of("f.jsonl", '{"text": "a"}\n{"text": "b"}');
  expect(await of("f.csv", "text\na\nb\n")).toBe(first);
  expect(await of("f.jsonl", '{"text": "b"}\n{"text": "a"}')).not.toBe(first);
  expect(await of("f.jsonl", '{"text": "a"}\n{"text": "c"}')).not.toBe(first);
  const tasks = '{"instruction": "a", "output": "b"}';
  expect(await of("g.jsonl", tasks, { promptStyle: "chat" })).not.toBe(await of("g.jsonl", tasks));
});

test("a large file takes little memory: only where its rows lie is kept", async () => {
  const path = join(folder, "large.jsonl");
  const row = (i: number) => JSON.stringify({ text: `${i} ${"some words that fill a row ".repeat(36)}` });
  const rows = 50_000;
  for (let start = 0; start < rows; start += 5_000) {
    const lines = Array.from({ length: 5_000 }, (_, i) => `${row(start + i)}\n`).join("");
    await writeFile(path, lines, { flag: start === 0 ? "w" : "a" });
  }
  const script = `
    import { Records } from ${JSON.stringify(new URL("../../src/data/records.ts", import.meta.url).href)};
    const before = process.memoryUsage.rss();
    let peak = before;
    const look = () => { peak = Math.max(peak, process.memoryUsage.rss()); };
    const records = await Records.open([${JSON.stringify(path)}], { onProgress: look });
    for (let i = 0; i < 2000; i++) { await records.read((i * 7919) % records.length); look(); }
    const last = await records.read(records.length - 1);
    console.log(JSON.stringify({ length: records.length, last: last.text.slice(0, 5), megabytes: (peak - before) / 1e6 }));
    await records.close();
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      "--conditions=source",
      "--import",
      "tsx",
      "--max-old-space-size=24",
      "--input-type=module",
      "-e",
      script,
    ],
    { cwd: fileURLToPath(new URL("../..", import.meta.url)) },
  );
  const told = JSON.parse(stdout) as { length: number; last: string; megabytes: number };
  expect(told).toMatchObject({ length: rows, last: "49999" });
  expect((await readFile(path)).length).toBeGreaterThan(48e6);
  expect(told.megabytes).toBeLessThan(90);
}, 60_000);

test("records are named by file and line, those after rows that were left out too", async () => {
  const row = (n: number) => JSON.stringify({ text: `text ${n}` });
  const parquet = fileURLToPath(new URL("../fixtures/datasets/tasks-zstd.parquet", import.meta.url));
  const names = [
    await file("named.jsonl", `${row(0)}\n{}\n\n${row(1)}\n[]\n${row(2)}\n`),
    await file("named.json", `[\n${row(3)},\n${row(4)}]`),
    await file("named.csv", 'text\n"text\n5"\ntext 6\n'),
    parquet,
  ];
  const records = await Records.open(names, { skipMalformed: true });
  const before = await records.read(records.length - 1);
  const where = await records.whereOf([2, 0, 6, 5, 1, 4, records.length - 1]);
  expect(where.map((name) => name.replace(`${folder}/`, ""))).toEqual([
    "named.jsonl:6",
    "named.jsonl:1",
    "named.csv:4",
    "named.csv:2",
    "named.jsonl:4",
    "named.json:3: record 1",
    `${parquet}: row ${records.length - 8}`,
  ]);
  expect(await records.read(records.length - 1)).toEqual(before);
  await records.close();
});
