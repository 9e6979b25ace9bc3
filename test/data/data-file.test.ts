import { expect, test } from "vitest";
import { nameOfDataFile } from "../../src/data/data-file.js";

test("a file is called by its name, one of the hub's cache by its path in the repository", () => {
  expect(nameOfDataFile("/home/me/rows.jsonl")).toEqual({ name: "rows.jsonl" });
  expect(nameOfDataFile("/c/hub/datasets--org--my-set/snapshots/abc123/data/train.parquet")).toEqual({
    name: "data/train.parquet",
    hubId: "org/my-set",
  });
});
