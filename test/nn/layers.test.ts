import { expect, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import { Conv1D, LayerNorm } from "../../src/nn/layers.js";
import { evaluate } from "../engine/evaluate.js";

const x = Tensor.f32([2, 3], [1, 2, 6, -1, 0, 4]);

test("LayerNorm takes away the mean, divides by the standard deviation, and has a weight and a bias of its own", async () => {
  const norm = new LayerNorm(3, 1e-5);
  norm.weight!.name = "weight";
  norm.bias!.name = "bias";
  for (const parameter of [norm.weight!, norm.bias!]) parameter.trainable = true;
  const [weight, bias] = [Tensor.f32([3], [1, 2, -1]), Tensor.f32([3], [0.5, 0, 3])];
  const { y } = await evaluate(({ x }) => ({ y: norm.forward(x) }), { x }, { weight, bias });
  const expected = [0, 1].flatMap((row) => {
    const values = [...x.f32.subarray(row * 3, row * 3 + 3)];
    const mean = values.reduce((a, b) => a + b) / 3;
    const std = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 3 + 1e-5);
    return values.map((v, i) => ((v - mean) / std) * weight.f32[i]! + bias.f32[i]!);
  });
  expect(y).toBeCloseToTensor(expected);
});

test("LayerNorm without a weight and a bias only normalises", async () => {
  const norm = new LayerNorm(3, 1e-5, { weight: false, bias: false });
  expect([...norm.namedParameters()]).toEqual([]);
  const { y } = await evaluate(({ x }) => ({ y: norm.forward(x) }), { x });
  const total = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
  expect(total(y.f32.subarray(0, 3))).toBeCloseTo(0, 5);
  expect(total(y.f32.map((v) => v * v).subarray(0, 3))).toBeCloseTo(3, 3);
});

test("Conv1D multiplies by a matrix that is stored [in, out]", async () => {
  const layer = new Conv1D(3, 2);
  expect([layer.inFeatures, layer.outFeatures, layer.weight.shape, layer.bias!.shape]).toEqual([
    3,
    2,
    [3, 2],
    [2],
  ]);
  layer.weight.name = "weight";
  layer.bias!.name = "bias";
  for (const parameter of [layer.weight, layer.bias!]) parameter.trainable = true;
  const params = { weight: Tensor.f32([3, 2], [1, 10, 2, 20, 3, 30]), bias: Tensor.f32([2], [0.5, -0.5]) };
  const { y } = await evaluate(({ x }) => ({ y: layer.forward(x) }), { x }, params);
  expect(y).toBeCloseToTensor([1 + 4 + 18 + 0.5, 10 + 40 + 180 - 0.5, -1 + 12 + 0.5, -10 + 120 - 0.5]);
});
