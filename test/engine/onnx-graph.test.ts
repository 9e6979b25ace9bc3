import { expect, test } from "vitest";
import {
  FrozenWeights,
  matmul,
  mul,
  Parameter,
  quantize,
  scoped,
  sum,
  Tensor,
  tanh,
  type Value,
  valueAndGrad,
} from "../../src/engine/index.js";
import { normal } from "./evaluate.js";
import { executed } from "./executed.js";

const layers = 4;
const size = 32;

const f32 = (...shape: number[]) => Tensor.f32(shape, normal(shape).data as Float64Array);

function weight(name: string, trainable: boolean): Parameter {
  return Object.assign(new Parameter("f32", [size, size]), { name, trainable });
}

test("gradients are computed layer by layer, those of weights too: what they read does not wait in memory", async () => {
  const weights = Array.from({ length: layers }, (_, i) => weight(`w${i}`, true));
  const loss = ({ x }: { x: Value }) => {
    const y = weights.reduce((h, w, i) => scoped(`${i}`, () => tanh(matmul(h, w))), x);
    return sum(mul(y, y));
  };
  const x = f32(3, size);
  const params = Object.fromEntries(weights.map(({ name }) => [name, f32(size, size)]));
  const kernels = await executed(valueAndGrad(loss), { inputs: { x } }, { x, params });
  const order = kernels.filter(({ op, scope }) => /MatMul/.test(op) && scope).map(({ scope }) => +scope);
  const forward = order.slice(0, layers);
  const backward = order.slice(layers);
  expect(forward).toEqual([0, 1, 2, 3]);
  expect(backward).toEqual([3, 3, 2, 2, 1, 1, 0]);
});

test("weights in blocks are read as f32 right before they are used", async () => {
  const frozen = await FrozenWeights.create();
  const weights = Array.from({ length: layers }, (_, i) => weight(`w${i}`, false));
  for (const { name } of weights) await frozen.addQuantized(name, quantize(f32(size, size), 8));
  const x = f32(3, size);
  const kernels = await executed(
    ({ x }: { x: Value }) => weights.reduce((h, w) => tanh(matmul(h, w)), x),
    { inputs: { x }, frozen },
    { x },
  );
  await frozen.dispose();
  const order = kernels.map(({ op }) => op).filter((op) => op === "DequantizeLinear" || op === "MatMul");
  expect(order).toEqual(Array.from({ length: layers }, () => ["DequantizeLinear", "MatMul"]).flat());
});
