import { expect, test } from "vitest";
import { initialTensors } from "../../src/nn/init.js";
import { Embedding, Linear, RmsNorm } from "../../src/nn/layers.js";
import { LoraLinear } from "../../src/nn/lora.js";
import { Module, nameParameters } from "../../src/nn/module.js";
import { Random } from "../../src/random.js";

class Model extends Module {
  readonly embed = new Embedding(50, 40);
  readonly norm = new RmsNorm(4, 1e-6);
  readonly gemmaNorm = new RmsNorm(4, 1e-6, 1);
  readonly proj = new LoraLinear(new Linear(100, 60, { bias: true }), 8, 2);
}

const draw = (seed: number) => {
  const model = new Model();
  nameParameters(model);
  return initialTensors(model, new Random(seed));
};
const deviation = (xs: Float32Array) => Math.sqrt(xs.reduce((sum, x) => sum + x * x, 0) / xs.length);

test("every parameter gets numbers of its kind", () => {
  const tensors = draw(1);
  expect([...tensors.keys()].sort()).toEqual([
    "embed.weight",
    "gemmaNorm.weight",
    "norm.weight",
    "proj.bias",
    "proj.lora_A.weight",
    "proj.lora_B.weight",
    "proj.weight",
  ]);
  const of = (name: string) => tensors.get(name)!.f32;
  for (const name of ["embed.weight", "proj.weight"]) {
    expect(deviation(of(name)), name).toBeCloseTo(0.02, 2.7);
    expect(of(name).reduce((a, b) => a + b) / of(name).length, name).toBeCloseTo(0, 2);
  }
  expect([...of("norm.weight")]).toEqual([1, 1, 1, 1]);
  expect([...of("gemmaNorm.weight")]).toEqual([0, 0, 0, 0]);
  for (const name of ["proj.bias", "proj.lora_B.weight"])
    expect(
      of(name).every((x) => x === 0),
      name,
    ).toBe(true);
});

test("LoRA's A is uniform within 1 / sqrt(in)", () => {
  const a = draw(1).get("proj.lora_A.weight")!;
  expect(a.shape).toEqual([8, 100]);
  expect(Math.max(...a.f32.map(Math.abs))).toBeLessThanOrEqual(0.1);
  expect(deviation(a.f32)).toBeCloseTo(0.1 / Math.sqrt(3), 2);
});

test("a seed fixes the numbers", () => {
  expect(draw(3).get("embed.weight")!.f32).toEqual(draw(3).get("embed.weight")!.f32);
  expect(draw(3).get("embed.weight")!.f32).not.toEqual(draw(4).get("embed.weight")!.f32);
});
