import { expect, test } from "vitest";
import { Parameter, Tensor } from "../../src/engine/index.js";
import { ParameterVector } from "../../src/train/parameter-vector.js";

const shapes = { matrix: [2, 3], bias: [2], scalar: [], cube: [1, 2, 2] };

const parameters = Object.entries(shapes).map(([name, shape]) => {
  const parameter = new Parameter("f32", shape);
  parameter.name = name;
  return parameter;
});

test("packs tensors end to end and gives them back by name", () => {
  const vector = new ParameterVector(parameters);
  expect(vector.size).toBe(13);
  const tensors = {
    cube: Tensor.f32([1, 2, 2], [10, 11, 12, 13]),
    matrix: Tensor.f32([2, 3], [1, 2, 3, 4, 5, 6]),
    bias: Tensor.f32([2], [7, 8]),
    scalar: Tensor.f32([], [9]),
  };
  const packed = vector.pack(tensors);
  expect([...packed.f32]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  const unpacked = vector.unpack(packed);
  expect(Object.keys(unpacked)).toEqual(Object.keys(shapes));
  for (const [name, tensor] of Object.entries(tensors)) {
    expect(unpacked[name]!.shape).toEqual(tensor.shape);
    expect(unpacked[name]!.f32).toEqual(tensor.f32);
  }
});

test("weight decay is for matrices alone", () => {
  expect([...new ParameterVector(parameters).decayMask().f32]).toEqual([
    1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1,
  ]);
});

test("a missing tensor is named", () => {
  expect(() => new ParameterVector(parameters).pack({ matrix: Tensor.zeros("f32", [2, 3]) })).toThrow(
    "no tensor for bias",
  );
});

test("a parameter that the loss does not depend on has the gradient 0", () => {
  const packed = new ParameterVector(parameters).packGradients({ bias: Tensor.f32([2], [7, 8]) });
  expect([...packed.f32]).toEqual([0, 0, 0, 0, 0, 0, 7, 8, 0, 0, 0, 0, 0]);
});
