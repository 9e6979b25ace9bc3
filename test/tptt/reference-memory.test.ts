import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import python from "../fixtures/tptt/operator.json" with { type: "json" };
import {
  difference,
  type OperatorCase,
  operatorResults,
  readTensors,
  runOperatorCase,
} from "./operator-cases.js";

const tensors = await readTensors(
  fileURLToPath(new URL("../fixtures/tptt/operator.safetensors", import.meta.url)),
);
const cases = python.cases as unknown as readonly OperatorCase[];

describe("output, last memory and gradients are those of tptt 0.12", () => {
  test.each(cases.map((one, i) => [i, one] as const))("case %i: %j", async (i, one) => {
    const results = await runOperatorCase(one, python.shape, tensors);
    for (const name of operatorResults) {
      // Python's own float32 is sometimes further than 1e-5 from its float64, where a memory nearly cancels.
      const allowed = Math.max(1e-5, 2 * one.rounding[name]!);
      expect(difference(results[name], tensors.get(`${i}.${name}`)!), name).toBeLessThan(allowed);
    }
  });
});
