import { expect, test } from "vitest";
import * as node from "../../src/io/time-limit-node.js";
import * as web from "../../src/io/time-limit-web.js";

test("work is stopped when its time is over, and its errors stay what they are", () => {
  expect(node.stops).toBe(true);
  expect(node.withinTime(() => 3)).toEqual({ value: 3 });
  expect(node.withinTime(() => /^(a+)+$/.test(`${"a".repeat(60)}b`), 50.5)).toBeUndefined();
});

test.each([node, web])("errors of the work stay what they are (%#)", ({ withinTime }) => {
  const error = new RangeError("x");
  expect(() =>
    withinTime(() => {
      throw error;
    }),
  ).toThrow(error);
});

test("a browser runs the work, and says that it cannot stop it", () => {
  expect(web.stops).toBe(false);
  expect(web.withinTime(() => 3)).toEqual({ value: 3 });
});
