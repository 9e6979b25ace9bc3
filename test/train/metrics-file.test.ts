import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MetricsFile } from "../../src/train/metrics-file.js";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "metrics-"));
  path = join(folder, "metrics.jsonl");
});
afterEach(() => rm(folder, { recursive: true }));

const read = () => readFile(path, "utf8");

describe("MetricsFile", () => {
  test("has each line in the file as soon as it is appended", async () => {
    const file = await MetricsFile.create(path);
    await file.append({ step: 1, loss: 2.5, mu: 0.1 });
    expect(await read()).toBe('{"step":1,"loss":2.5,"mu":0.1}\n');
    await file.append({ step: 2, eval_loss: 2 });
    expect(await read()).toBe('{"step":1,"loss":2.5,"mu":0.1}\n{"step":2,"eval_loss":2}\n');
    await file.close();
  });

  test("starts a new run with an empty file", async () => {
    await writeFile(path, '{"step":1}\n');
    await (await MetricsFile.create(path)).close();
    expect(await read()).toBe("");
  });

  test("resumes without what was measured after the step, a half-written line included", async () => {
    await writeFile(path, '{"step":1}\n{"step":2}\n{"step":2,"eval_loss":3}\n{"step":3}\n{"step":4,"lo');
    const file = await MetricsFile.resume(path, 2);
    await file.append({ step: 3, loss: 1 });
    await file.close();
    expect(await read()).toBe('{"step":1}\n{"step":2}\n{"step":2,"eval_loss":3}\n{"step":3,"loss":1}\n');
    expect(await readdir(folder)).toEqual(["metrics.jsonl"]);
  });

  test("resumes where there is no file yet", async () => {
    await (await MetricsFile.resume(path, 2)).close();
    expect(await read()).toBe("");
  });

  test.each([
    ["that is no JSON", "nonsense", /:2: is not valid JSON \(.+\); remove the line to resume$/],
    ["that is too deep", "[".repeat(1000), /:2: is nested more than 256 deep; remove the line to resume$/],
    [
      "without a step",
      '{"loss":1}',
      /:2: field "step": is missing, expected a number; remove the line to resume$/,
    ],
  ])("refuses a line %s and leaves the file as it is", async (_, line, message) => {
    const content = `{"step":1}\n${line}\n{"step":9}\n`;
    await writeFile(path, content);
    await expect(MetricsFile.resume(path, 2)).rejects.toThrow(message);
    expect(await read()).toBe(content);
  });
});
