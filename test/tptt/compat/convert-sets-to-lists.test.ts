import { expect, test } from "vitest";
import { convertSetsToLists } from "../../../src/tptt/compat/convert-sets-to-lists.js";

test("sets become lists at any depth, all else stays", () => {
  const given = { r: 8, target: new Set(["q", "k"]), deep: [{ sets: new Set([new Set([1])]) }, null, "x"] };
  expect(convertSetsToLists(given)).toEqual({ r: 8, target: ["q", "k"], deep: [{ sets: [[1]] }, null, "x"] });
  expect(convertSetsToLists(3)).toBe(3);
});
