import { expect, test } from "vitest";
import { reshape } from "../../../src/engine/index.js";
import { ForwardContext } from "../../../src/nn/forward-context.js";
import { Random } from "../../../src/random.js";
import type { Trick } from "../../../src/tptt/config/operator-config.js";
import { VirtualTokenExpander } from "../../../src/tptt/memory/virtual-token-expander.js";
import python from "../../fixtures/tptt/modules.json" with { type: "json" };
import { expandTokens, type Matrix } from "./reference.js";
import { draw, evaluate, expectClose, flatten, tensorOf } from "./run.js";

async function expandAll(x: Matrix, n: number, trick: Trick, heads: number) {
  const length = x.length;
  const expander = new VirtualTokenExpander(n, trick);
  const { y } = await evaluate(
    ({ x }) => {
      const tokens = reshape(x, [1, length, heads, -1]);
      return { y: expander.forward(tokens, new ForwardContext({ batch: 1, length })).value };
    },
    { x: tensorOf([x]) },
  );
  return y;
}

test.each(Object.entries(python.expanded))(
  "%s virtual tokens are those of Python",
  async (name, expected) => {
    const [trick, n] = name.split(" ") as [Trick, string];
    expectClose(await expandAll(python.x[0]!, Number(n), trick, 2), expected, 1e-6);
  },
);

test.each(["dt", "rot", "rdt", "cte"] as const)(
  "with %s a token of order 1 stands for itself",
  async (trick) => {
    const x = draw(Random.for(0, "x"), [4, 3]) as Matrix;
    const y = await expandAll(x, 1, trick, 1);
    expect(y.shape).toEqual([1, 4, 1, 1, 3]);
    expect([...y.f32]).toEqual(flatten(x));
  },
);

test.each(["dt", "rot", "rdt", "cte"] as const)("%s of a high order", async (trick) => {
  const x = draw(Random.for(0, "x"), [9, 7]) as Matrix;
  expectClose(await expandAll(x, 6, trick, 1), expandTokens(x, 6, trick), 1e-6);
});

test("another trick can be forced for one call", async () => {
  const x = draw(Random.for(0, "x"), [4, 3]) as Matrix;
  const expander = new VirtualTokenExpander(3, "dt");
  const { y } = await evaluate(
    ({ x }) => {
      const tokens = reshape(x, [1, 4, 1, 3]);
      const { value, tail } = expander.forward(
        tokens,
        new ForwardContext({ batch: 1, length: 4 }),
        undefined,
        "cte",
      );
      expect(tail).toBeUndefined();
      return { y: value };
    },
    { x: tensorOf([x]) },
  );
  expectClose(y, expandTokens(x, 3, "cte"), 1e-6);
});

test("there is at least one virtual token", () => {
  expect(() => new VirtualTokenExpander(0, "dt")).toThrow("order: is 0, expected a positive integer");
});
