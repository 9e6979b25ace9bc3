import { expect, test } from "vitest";
import { gradients, sum, Tensor } from "../../../src/engine/index.js";
import { unlinearActivation } from "../../../src/tptt/memory/unlinear-activation.js";
import { unlinear } from "./reference.js";
import { evaluate, expectClose, tensorOf } from "./run.js";

test("is (x / 2) gelu(2 x / |x|) over each row", async () => {
  const x = [
    [0.3, -1.2, 2],
    [1e-4, 2e-4, -3e-4],
  ];
  expectClose(
    (await evaluate(({ x }) => ({ y: unlinearActivation(x) }), { x: tensorOf(x) })).y,
    unlinear(x),
    1e-6,
  );
});

test("an empty memory stays empty, and has a gradient", async () => {
  const { y, gradient } = await evaluate(
    ({ x }) => {
      const y = unlinearActivation(x);
      return { y, gradient: gradients(sum(y), [x])[0]! };
    },
    { x: Tensor.zeros("f32", [2, 3]) },
  );
  for (const { f32 } of [y, gradient]) expect([...f32]).toEqual(Array(6).fill(0));
});
