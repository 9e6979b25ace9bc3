import { expect, test } from "vitest";
import { numberToBfloat16, numberToHalf } from "../../src/engine/half.js";
import { cast, compile, constant, type DType, flip, input, Tensor } from "../../src/engine/index.js";
import { writeOnnx } from "../../src/engine/onnx-graph.js";
import { evaluate } from "./evaluate.js";

const half = Uint16Array.of(numberToHalf(0.1), numberToHalf(-65504));
const tensors: readonly Tensor[] = [
  Tensor.f32([2], [0.1, -3e38]),
  new Tensor("f64", [2], Float64Array.of(0.1, -1e300)),
  new Tensor("f16", [2], half),
  new Tensor("int32", [2], Int32Array.of(-(2 ** 31), 2 ** 31 - 1)),
  new Tensor("int64", [2], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)),
  new Tensor("uint8", [2], Uint8Array.of(0, 255)),
  new Tensor("int8", [2], Int8Array.of(-128, 127)),
  new Tensor("bool", [2], Uint8Array.of(0, 1)),
];

test.each(tensors.map((t) => [t.dtype, t] as const))(
  "a constant of %s comes back from a session bit for bit, and so does an input",
  async (dtype, tensor) => {
    const { stored, given } = await evaluate(({ x }) => ({ stored: constant(tensor), given: x }), {
      x: tensor,
    });
    for (const result of [stored, given]) {
      expect(result.dtype).toBe(dtype);
      expect(result.shape).toEqual([2]);
      expect([...result.data]).toEqual([...tensor.data]);
    }
  },
);

test("a bf16 constant can be cast inside a graph", async () => {
  const bits = Uint16Array.of(numberToBfloat16(1.5), numberToBfloat16(-3e38));
  const { y } = await evaluate(() => ({ y: cast(constant(new Tensor("bf16", [2], bits)), "f32") }), {});
  expect(y).toBeCloseToTensor([1.5, -3e38], { rtol: 2 ** -8 });
});

test("scalars, empty lists and negative attributes survive", async () => {
  const { scalar, last } = await evaluate(
    ({ x }) => ({ scalar: constant(Tensor.scalar(7)), last: flip(x, -1) }),
    { x: Tensor.f32([1, 3], [1, 2, 3]) },
  );
  expect(scalar.shape).toEqual([]);
  expect(scalar.item()).toBe(7);
  expect([...last.f32]).toEqual([3, 2, 1]);
});

test("every type of tensor can be cast to every other", async () => {
  const types: DType[] = ["f32", "f64", "f16", "int32", "int64", "uint8", "int8", "bool"];
  const f = await compile(
    ({ x }) => types.map((to) => types.map((via) => cast(cast(cast(x, to), via), "f32"))),
    {
      inputs: { x: { dtype: "f32", shape: [2] } },
    },
  );
  const results = await f.run({ x: Tensor.f32([2], [0, 1]) });
  for (const result of results.flat()) expect([...result.f32]).toEqual([0, 1]);
  await f.release();
});

test("a graph that reads a leaf that is not given is refused", () => {
  const [x, y] = [input("f32", [1]), input("f32", [1])];
  expect(() => writeOnnx([cast(y, "f64")], [x], new Map())).toThrow(
    "input: a leaf is bound by the compiler, not emitted",
  );
});
