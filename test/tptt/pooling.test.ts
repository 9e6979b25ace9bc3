import { expect, test } from "vitest";
import { ForwardContext } from "../../src/nn/forward-context.js";
import { CausalAvgPool1d } from "../../src/tptt/pooling.js";
import python from "../fixtures/tptt/modules.json" with { type: "json" };
import { pool } from "./reference.js";
import { evaluate, expectClose, tensorOf } from "./run.js";

test("the causal mean is Python's, and its tail the last two tokens", async () => {
  const [x] = python.x as [number[][]];
  const { value, tail } = await evaluate(
    ({ x }) => ({
      ...new CausalAvgPool1d().forward(x, new ForwardContext({ batch: 1, length: x.shape[1]! })),
    }),
    { x: tensorOf([x]) },
  );
  expectClose(value, python.pooled, 1e-6);
  expectClose(value, [pool(x)], 1e-6);
  expect([...tail.f32]).toEqual([...tensorOf(x.slice(-2)).f32]);
});
