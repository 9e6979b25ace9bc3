import { expect, test } from "vitest";
import {
  add,
  cast,
  compile,
  constant,
  FrozenWeights,
  fromF32,
  linear,
  mul,
  Parameter,
  reshape,
  scalar,
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

test("outputs have the shapes of their values, also where one is another in a new shape", async () => {
  const f = await compile(
    ({ x }) => {
      const square = mul(x, x);
      return { square, column: reshape(square, [6, 1]), same: reshape(x, [6]) };
    },
    { inputs: { x: f32(2, 3) } },
  );
  const { square, column, same } = await f.run({ x: Tensor.f32([2, 3], [1, 2, 3, 4, 5, 6]) });
  expect([square.shape, column.shape, same.shape]).toEqual([[2, 3], [6, 1], [6]]);
  expect([...column.f32]).toEqual([1, 4, 9, 16, 25, 36]);
  expect([...same.f32]).toEqual([1, 2, 3, 4, 5, 6]);
  await f.release();
});

test("a first size of -1 is that of each run, where ops treat rows apart", async () => {
  const weight = constant(Tensor.f32([2, 3], [1, 2, 3, 4, 5, 6]));
  const f = await compile(({ x }) => ({ y: linear(x, weight) }), { inputs: { x: f32(-1, 3) } });
  for (const rows of [
    [[1, 0, 0]],
    [
      [0, 0, 1],
      [1, 1, 1],
      [0, 2, 0],
    ],
  ]) {
    const { y } = await f.run({ x: Tensor.f32([rows.length, 3], rows.flat()) });
    expect(y.shape).toEqual([rows.length, 2]);
    expect([...y.f32]).toEqual(rows.flatMap(([a, b, c]) => [a! + 2 * b! + 3 * c!, 4 * a! + 5 * b! + 6 * c!]));
  }
  await expect(f.run({ x: Tensor.zeros("f32", [2, 4]) })).rejects.toThrow(
    "input.x is f32 [2,4], the graph expects f32 [-1,3]",
  );
  await f.release();
  await expect(compile(({ x }) => ({ y: sum(x, [0]) }), { inputs: { x: f32(-1, 3) } })).rejects.toThrow(
    "compile: sum does not treat rows apart",
  );
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

test("an executable gives the number of its nodes, and says so when it is used after its release", async () => {
  const f = await compile(({ x }) => ({ y: add(mul(x, x), mul(x, x)) }), { inputs: { x: f32(2) } });
  expect(f.nodeCount).toBe(2); // The two products are one Mul.
  await f.release();
  await expect(f.run({ x: Tensor.f32([2], [1, 2]) })).rejects.toThrow("disposed");
});

test("inputs and outputs are records and lists, nested, and an output may be an input or a constant", async () => {
  const f = await compile(
    ({ pair, single }) => ({
      list: [pair[0], add(pair[0], pair[1].inner)],
      inner: { single, two: scalar(2) },
    }),
    { inputs: { pair: [f32(2), { inner: f32(1) }], single: f32() } },
  );
  const result = await f.run({
    pair: [Tensor.f32([2], [1, 2]), { inner: Tensor.f32([1], [10]) }],
    single: Tensor.scalar(5),
  });
  expect(result.list.map((tensor) => [...tensor.f32])).toEqual([
    [1, 2],
    [11, 12],
  ]);
  expect(result.inner.single.item()).toBe(5);
  expect(result.inner.two.item()).toBe(2);
  await f.release();
});

test("frozen weights that are not there, or of another shape, are named", async () => {
  const weight = new Parameter("f32", [2, 3]);
  weight.name = "layer.weight";
  const compiled = (frozen?: FrozenWeights) =>
    compile(({ x }) => ({ y: mul(x, weight) }), { inputs: { x: f32(3) }, ...(frozen ? { frozen } : {}) });
  await expect(compiled()).rejects.toThrow(
    "compile: the graph reads the frozen weight layer.weight, but was given no frozen weights",
  );
  const frozen = await FrozenWeights.create();
  await expect(compiled(frozen)).rejects.toThrow("no weight layer.weight was stored");
  await frozen.add("layer.weight", Tensor.f32([3, 2], [1, 2, 3, 4, 5, 6]));
  await expect(compiled(frozen)).rejects.toThrow(
    "compile: layer.weight is [3,2] in the frozen weights, the graph expects [2,3]",
  );
  await frozen.dispose();
});

test("a half tensor is an input like any other, and is cast inside", async () => {
  const f = await compile(({ x }) => ({ y: mul(cast(x, "f32"), 2), back: cast(cast(x, "f32"), "f16") }), {
    inputs: { x: { dtype: "f16", shape: [3] } },
  });
  const x = fromF32(Tensor.f32([3], [1.5, -0.25, 60000]), "f16");
  const { y, back } = await f.run({ x });
  expect([...y.f32]).toEqual([3, -0.5, 120000]);
  expect([...back.data]).toEqual([...x.data]);
  await f.release();
});

test("bf16 can be neither an input nor an output, and the error says what to do", async () => {
  const type = { dtype: "bf16", shape: [2] } as const;
  const problem =
    "compile: a bf16 tensor can be neither an input nor an output of a graph; convert it to f32";
  await expect(compile(({ x }) => ({ y: cast(x, "f32") }), { inputs: { x: type } })).rejects.toThrow(problem);
  await expect(compile(({ x }) => ({ y: cast(x, "bf16") }), { inputs: { x: f32(2) } })).rejects.toThrow(
    problem,
  );
});
