import { expect, test } from "vitest";
import { distinctNames } from "../../src/cli/run-metrics.js";

test("runs are called by the last names of their folders that tell them apart", () => {
  expect(distinctNames(["/a/x", "/a/y"])).toEqual(["x", "y"]);
  expect(distinctNames(["/a/x", "/b/x", "/b/y"])).toEqual(["a/x", "b/x", "b/y"]);
  expect(distinctNames(["/runs/1/titan", "/runs/2/titan"])).toEqual(["1/titan", "2/titan"]);
  expect(distinctNames(["/x", "/a/x"])).toEqual(["/x", "a/x"]);
  expect(() => distinctNames(["/a/x", "/a/x"])).toThrow("/a/x: is given twice");
});
