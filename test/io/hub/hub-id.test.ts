import { expect, test } from "vitest";
import { formatHubId, parseHubId } from "../../../src/io/hub/hub-id.js";

test.each([
  ["google/gemma-3-270m", { name: "google/gemma-3-270m" }],
  ["Qwen/Qwen2.5-0.5B@v1.0", { name: "Qwen/Qwen2.5-0.5B", revision: "v1.0" }],
  ["org/name@refs/pr/12/sub", { name: "org/name", revision: "refs/pr/12", subfolder: "sub" }],
  ["org/data@refs/convert/parquet", { name: "org/data", revision: "refs/convert/parquet" }],
  ["org/name-GGUF/name-q4_k_m.gguf", { name: "org/name-GGUF", subfolder: "name-q4_k_m.gguf" }],
  ["org/name@main/a/b", { name: "org/name", revision: "main", subfolder: "a/b" }],
  ["org/data/data/train-*.parquet", { name: "org/data", subfolder: "data/train-*.parquet" }],
])("%s is read, and written again", (text, id) => {
  expect(parseHubId(text)).toEqual(id);
  expect(formatHubId(id)).toBe(text);
});

test.each([
  "gpt2",
  "./org/name",
  "/org/name",
  "../org/name",
  "~/org/name",
  "org/../name",
  "org/name/../../x",
  "org/name/",
  "org//name",
  "org\\name",
  "c:/models/name",
  "data/train.jsonl",
  "models/gemma.gguf",
  "org/na me",
  "-org/name",
  "org/name@",
  "org/name@../x",
  "org/name@-x",
  "a--b/name",
  `org/${"n".repeat(100)}`,
  "",
])("%j is a path, no name of the hub", (text) => {
  expect(parseHubId(text)).toBeUndefined();
});
