import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lastingName } from "../../src/cli/hub-names.js";
import { readDataset } from "../../src/data/records.js";
import { openHub } from "../io/hub/use-hub.js";
import { temporaryFolder } from "../models/fixture.js";

test("what is here has an absolute name, a pattern that looks like a name of the hub too", async () => {
  // Characters that a pattern would read otherwise.
  const folder = join(await temporaryFolder(), "runs (1) [a]");
  await mkdir(join(folder, "data/mine"), { recursive: true });
  for (const name of ["a", "b"])
    await writeFile(join(folder, `data/mine/${name}.jsonl`), `{"text": "${name}"}`);
  const before = process.cwd();
  onTestFinished(() => process.chdir(before));
  process.chdir(folder);
  expect(await lastingName("dataset", "data/mine")).toBe(join(folder, "data/mine"));
  expect(await lastingName("dataset", "data/mine/a.jsonl")).toBe(join(folder, "data/mine/a.jsonl"));
  expect(await lastingName("model", "data/mine")).toBe(join(folder, "data/mine"));
  const patterns = ["data/mine/*.jsonl", "./data/*/[ab].jsonl", "data/../data/{mine,yours}/*"];
  const lasting = await Promise.all(patterns.map((pattern) => lastingName("dataset", pattern)));
  process.chdir(before);
  for (const pattern of lasting) {
    expect(await readDataset(pattern), pattern).toEqual([{ text: "a" }, { text: "b" }]);
    expect(await lastingName("dataset", pattern)).toBe(pattern);
  }
});

test("what is the hub's has its name at the commit, a pattern of its files too", async () => {
  const { hub, useAsEnvironment } = await openHub();
  const commit = await hub.add("dataset", "data/mine", { "a.jsonl": "{}" });
  useAsEnvironment();
  expect(await lastingName("dataset", "data/mine")).toBe(`data/mine@${commit}`);
  expect(await lastingName("dataset", "data/mine@main/*.jsonl")).toBe(`data/mine@${commit}/*.jsonl`);
});
