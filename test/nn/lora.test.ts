import { expect, test } from "vitest";
import { compile, FrozenWeights, type Params, Tensor, type Value } from "../../src/engine/index.js";
import { initialTensors } from "../../src/nn/init.js";
import { Conv1D, Linear } from "../../src/nn/layers.js";
import { LoraLinear } from "../../src/nn/lora.js";
import { nameParameters } from "../../src/nn/module.js";
import { Random } from "../../src/random.js";

const [rows, inFeatures, outFeatures, r, scaling] = [5, 6, 4, 2, 1.5];
const random = new Random(2);
const numbers = (...shape: number[]) =>
  Tensor.f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
  );
const x = numbers(1, rows, inFeatures);

async function setUp() {
  const lora = new LoraLinear(new Linear(inFeatures, outFeatures, { bias: true }), r, scaling);
  nameParameters(lora);
  const tensors = initialTensors(lora, random);
  tensors.set("bias", numbers(outFeatures));
  const frozen = await FrozenWeights.create();
  for (const name of ["weight", "bias"]) await frozen.add(name, tensors.get(name)!);
  const params = Object.fromEntries([...tensors].filter(([name]) => name.startsWith("lora_")));
  return { lora, frozen, tensors, params };
}
const inputs = { x: { dtype: "f32", shape: x.shape } } as const;

test("an adapter changes nothing at first", async () => {
  const { lora, frozen, params } = await setUp();
  const base = new Linear(inFeatures, outFeatures);
  base.weight = lora.weight;
  base.bias = lora.bias!;
  const run = await compile(({ x }: { x: Value }) => ({ adapted: lora.forward(x), plain: base.forward(x) }), {
    inputs,
    frozen,
  });
  const { adapted, plain } = await run.run({ x, params });
  expect(adapted.f32).toEqual(plain.f32);
  await run.release();
  await frozen.dispose();
});

test("an adapter is the layer with scaling * B A added to its weight", async () => {
  const { lora, frozen, tensors, params } = await setUp();
  params["lora_B.weight"] = numbers(outFeatures, r);
  const run = await compile(({ x }: { x: Value }) => ({ y: lora.forward(x) }), { inputs, frozen });
  const { y } = await run.run({ x, params });
  const [weight, bias] = [tensors.get("weight")!.f32, tensors.get("bias")!.f32];
  const [a, b] = [params["lora_A.weight"]!.f32, params["lora_B.weight"].f32];
  const expected = Array.from({ length: rows * outFeatures }, (_, flat) => {
    const [row, out] = [Math.floor(flat / outFeatures), flat % outFeatures];
    let sum = bias[out]!;
    for (let i = 0; i < inFeatures; i++) {
      let merged = weight[out * inFeatures + i]!;
      for (let k = 0; k < r; k++) merged += scaling * b[out * r + k]! * a[k * inFeatures + i]!;
      sum += merged * x.f32[row * inFeatures + i]!;
    }
    return sum;
  });
  expect(y).toBeCloseToTensor(expected, { atol: 1e-5 });
  await run.release();
  await frozen.dispose();
});

test("dropout touches the update only, and its seed fixes the mask", async () => {
  const { lora, frozen, params } = await setUp();
  const run = async (seed: number) => {
    const step = await compile(
      ({ x, seed }: { x: Value; seed: Value }) => {
        lora.dropout = { rate: 0.5, seed };
        return { y: lora.forward(x) };
      },
      { inputs: { ...inputs, seed: { dtype: "int64", shape: [] } }, frozen },
    );
    const { y } = await step.run({ x, seed: Tensor.int64([], [seed]), params });
    await step.release();
    return y.f32;
  };
  const untouched = await run(1);
  expect(await run(2)).toEqual(untouched);
  params["lora_B.weight"] = numbers(outFeatures, r);
  const first = await run(1);
  expect(await run(1)).toEqual(first);
  expect(await run(2)).not.toEqual(first);
  await frozen.dispose();
});

test("a layer that stores its weight as [in, out] is adapted and merged as it stands", async () => {
  const base = new Conv1D(inFeatures, outFeatures);
  const lora = new LoraLinear(base, r, scaling);
  expect(lora).toMatchObject({ inFeatures, outFeatures, lora_A: { weight: { shape: [r, inFeatures] } } });
  nameParameters(lora);
  expect([...lora.namedParameters()].map(([name]) => name)).toEqual([
    "weight",
    "bias",
    "lora_A.weight",
    "lora_B.weight",
  ]);
  const [weight, bias] = [numbers(inFeatures, outFeatures), numbers(outFeatures)];
  const [a, b] = [numbers(r, inFeatures), numbers(outFeatures, r)];
  const run = async (layer: Linear, weight: Tensor, params: Params) => {
    const frozen = await FrozenWeights.create();
    await frozen.add("weight", weight);
    await frozen.add("bias", bias);
    const compiled = await compile(({ x }: { x: Value }) => ({ y: layer.forward(x) }), { inputs, frozen });
    const { y } = await compiled.run({ x, params });
    await compiled.release();
    await frozen.dispose();
    return y;
  };
  const adapted = await run(lora, weight, { "lora_A.weight": a, "lora_B.weight": b });
  const merged = lora.merge(Tensor.f32(weight.shape, weight.f32), a, b);
  expect(await run(base, merged, {})).toBeCloseToTensor(adapted.f32, { atol: 1e-5 });
});
