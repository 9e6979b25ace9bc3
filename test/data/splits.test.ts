import { expect, test } from "vitest";
import { filesOfSplit, type SplitChoice } from "../../src/data/splits.js";

const isData = (path: string) => /\.(jsonl?|csv|parquet|txt)$/.test(path);
const files = (paths: readonly string[], choice: SplitChoice = {}, card?: string) =>
  filesOfSplit({ where: "org/data", paths, card }, choice, isData);

test.each([
  [
    [
      "data/train-00000-of-00002.parquet",
      "data/train-00001-of-00002.parquet",
      "data/test-00000-of-00001.parquet",
    ],
    2,
  ],
  [["train.jsonl", "test.jsonl", "README.md"], 1],
  [["train/a.csv", "train/b.csv", "dev/c.csv"], 2],
  [["data/my_train_file.json", "data/validation.json"], 1],
  [["train1.txt", "train2.txt", "LICENSE.txt", "notes.txt"], 2],
  [["a.jsonl", "b/c.jsonl", "dataset_infos.json"], 2],
])("of %j train is the files that are named so, or all when no split is", (paths, count) => {
  expect(files(paths)).toEqual(paths.slice(0, count));
});

test("splits have the words that are used for them, and names of their own in numbered parts", () => {
  const paths = ["dev.csv", "eval/rows.csv", "training.csv", "data/extra_hard-00000-of-00001.csv"];
  expect(files(paths, { split: "validation" })).toEqual(["dev.csv"]);
  expect(files(paths, { split: "test" })).toEqual(["eval/rows.csv"]);
  expect(files(paths)).toEqual(["training.csv"]);
  expect(files(paths, { split: "extra_hard" })).toEqual(["data/extra_hard-00000-of-00001.csv"]);
  // Parts of other words are none: the latest contest is no test.
  expect(files(["latest.csv", "contest.csv"])).toEqual(["contest.csv", "latest.csv"]);
});

test("a split that is not there is told with those that are", () => {
  const paths = ["train.csv", "test.csv"];
  expect(() => files(paths, { split: "dev" })).toThrow(
    /^org\/data: has no split dev; choose one of test, train with --split/,
  );
  expect(() => files(["dev.csv", "test.csv"])).toThrow(/has no split train; choose one of validation, test/);
  expect(files(["test.csv"])).toEqual(["test.csv"]);
  expect(() => files(["a.arrow", "README.md"])).toThrow(
    /no data file that can be read; it has a.arrow, README.md; .*parquet/,
  );
});

test("a subfolder, a file and a pattern choose among the files", () => {
  const paths = [
    "main/train-00000-of-00001.parquet",
    "main/test-00000-of-00001.parquet",
    "socratic/train.parquet",
  ];
  expect(files(paths, { subfolder: "main" })).toEqual([paths[0]]);
  expect(files(paths, { subfolder: "main", split: "test" })).toEqual([paths[1]]);
  expect(files(paths, { subfolder: "socratic/train.parquet" })).toEqual([paths[2]]);
  expect(files(paths, { subfolder: "*/test-*.parquet" })).toEqual([paths[1]]);
  expect(() => files(paths, { subfolder: "none" })).toThrow(/^org\/data\/none: has no data file/);
  // The folder itself is no split.
  expect(files(["test/a.csv", "test/b.csv"], { subfolder: "test" })).toEqual(["test/a.csv", "test/b.csv"]);
});

const card = (configs: string) => `---\nlicense: mit\nconfigs:\n${configs}\n---\n# Data\n`;

test("a card says which files are which split", () => {
  const paths = ["a/one.jsonl", "a/two.jsonl", "b.jsonl", "train.jsonl"];
  const splits = card(
    "- config_name: default\n  data_files:\n  - split: train\n    path: a/*.jsonl\n  - split: held\n    path: [b.jsonl]",
  );
  expect(files(paths, {}, splits)).toEqual(["a/one.jsonl", "a/two.jsonl"]);
  expect(files(paths, { split: "held" }, splits)).toEqual(["b.jsonl"]);
  expect(files(paths, {}, card("- config_name: x\n  data_files: b.jsonl"))).toEqual(["b.jsonl"]);
  expect(files(paths, {}, card("- config_name: x\n  data_files: [b.jsonl, 'a/o*']"))).toEqual([
    "a/one.jsonl",
    "b.jsonl",
  ]);
  expect(files(paths, { split: "test" }, card("- config_name: x\n  data_files:\n    test: b.jsonl"))).toEqual(
    ["b.jsonl"],
  );
  expect(files(paths, {}, card("- config_name: x\n  data_dir: a"))).toEqual(["a/one.jsonl", "a/two.jsonl"]);
  expect(files(paths, {}, "# no header")).toEqual(["train.jsonl"]);
});

test("of several configurations one is named, or the card's default", () => {
  const paths = ["en/a.csv", "fr/b.csv"];
  const two = "- config_name: english\n  data_files: en/*\n- config_name: french\n  data_files: fr/*";
  expect(files(paths, { subfolder: "french" }, card(two))).toEqual(["fr/b.csv"]);
  expect(() => files(paths, {}, card(two))).toThrow(
    /2 configurations, name one of them: org\/data\/english, org\/data\/french/,
  );
  expect(files(paths, {}, card(`${two}\n  default: true`))).toEqual(["fr/b.csv"]);
  expect(files(paths, { subfolder: "en" }, card(two))).toEqual(["en/a.csv"]);
});

test("a card's pattern that would take for ever is an error", () => {
  const slow = card(`- config_name: x\n  data_files: "${"*a".repeat(30)}b"`);
  const start = Date.now();
  expect(() => files([`${"a".repeat(200)}.csv`], {}, slow)).toThrow(
    /^org\/data: has a pattern .* takes too long/,
  );
  expect(Date.now() - start).toBeLessThan(30_000);
});

test("a header that is no YAML is an error", () => {
  expect(() => files(["a.csv"], {}, "---\na: [\n---\n")).toThrow(
    /^org\/data: README.md: has a header that is no YAML/,
  );
});
