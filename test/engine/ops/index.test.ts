import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import type { Op } from "../../../src/engine/value.js";
import { checkOp } from "../check-op.js";
import { cases } from "./cases.js";

const folder = new URL("../../../src/engine/ops/", import.meta.url);
const ops = new Map<string, Op>();
for (const file of readdirSync(folder)) {
  for (const exported of Object.values(await import(new URL(file, folder).href))) {
    if (typeof exported === "object" && exported !== null && "emit" in exported)
      ops.set((exported as Op).name, exported as Op);
  }
}

test("every op has a case, and every case an op", () => {
  expect(Object.keys(cases).sort()).toEqual([...ops.keys()].sort());
});

test.each([...ops])("%s agrees with plain arithmetic and with central differences", async (name, op) => {
  let differentiated = false;
  for (const opCase of cases[name]!) {
    if (await checkOp(opCase)) differentiated = true;
  }
  expect(differentiated).toBe(op.grad !== "none");
});
