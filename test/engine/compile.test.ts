import { expect, test } from "vitest";
import {
  compile,
  FrozenWeights,
  linear,
  mul,
  Parameter,
  sum,
  Tensor,
  valueAndGrad,
} from "../../src/engine/index.js";

const f32 = (...shape: number[]) => ({ dtype: "f32", shape }) as const;

test("a function of a record runs and gives a record", async () => {
  const f = await compile(({ x }) => ({ square: mul(x, x), total: sum(x) }), { inputs: { x: f32(3) } });
  const { square, total } = await f.run({ x: Tensor.f32([3], [1, 2, 3]) });
  expect([...square.f32]).toEqual([1, 4, 9]);
  expect(total.item()).toBe(6);
  await f.release();
});

test("frozen parameters come from the storage, trainable ones from the call", async () => {
  const weight = new Parameter("f32", [2, 3]);
  weight.name = "weight";
  const bias = new Parameter("f32", [2]);
  bias.name = "bias";
  bias.trainable = true;
  const frozen = await FrozenWeights.create();
  await frozen.add("weight", Tensor.f32([2, 3], [1, 2, 3, 4, 5, 6]));
  const step = await compile(
    valueAndGrad(({ x }) => sum(linear(x, weight, bias))),
    {
      inputs: { x: f32(1, 3) },
      frozen,
    },
  );
  const { value, grads } = await step.run({
    x: Tensor.f32([1, 3], [1, 1, 1]),
    params: { bias: Tensor.f32([2], [10, 20]) },
  });
  expect(value.item()).toBe(6 + 15 + 30);
  expect(Object.keys(grads)).toEqual(["bias"]);
  expect([...grads.bias!.f32]).toEqual([1, 1]);
  await step.release();
  await frozen.dispose();
});

test("a missing or misshapen input is named with what was expected", async () => {
  const f = await compile(({ a }) => mul(a.b, 2), { inputs: { a: { b: f32(2) } } });
  await expect(f.run({ a: { b: Tensor.f32([3], [1, 2, 3]) } })).rejects.toThrow(
    "run: input.a.b is f32 [3], the graph expects f32 [2]",
  );
  await f.release();
});
