import { describe, expect, test } from "vitest";
import {
  compile,
  type Device,
  FrozenWeights,
  gather,
  linear,
  matmul,
  mul,
  Parameter,
  reshape,
  sizeOf,
  split,
  sum,
  Tensor,
  vjp,
} from "../../src/engine/index.js";
import { Random } from "../../src/random.js";
import { describeOnHalfWebgpu } from "../webgpu-driver.js";

const [rows, columns] = [48, 64];

function normal(scale: number, ...shape: number[]): Tensor {
  const random = Random.for(5, "half", ...shape);
  return Tensor.f32(
    shape,
    Array.from({ length: sizeOf(shape) }, () => scale * random.normal()),
  );
}

/** All that reads a matrix: products with it as it is and transposed, with its parts, its rows, and the matrix itself. */
async function results(dtype: "f32" | "f16", device: Device, scale: number) {
  const frozen = await FrozenWeights.create(dtype);
  await frozen.add("w", normal(0.3, rows, columns));
  const inputs = {
    x: normal(scale, 2, 5, columns),
    g: normal(scale, 2, 5, rows),
    indices: Tensor.int64([3], [3, 0, 47]),
  };
  const graph = await compile(
    ({ x, g, indices }) => {
      const w = Object.assign(new Parameter("f32", [rows, columns]), { name: "w" });
      const [low, high] = split(w, 0, [16, 32]);
      const y = linear(x, w);
      return {
        y,
        gradient: vjp([y], [g], [x])[0]!,
        low: linear(x, low!),
        high: linear(x, high!),
        turned: matmul(reshape(x, [20, 32]), reshape(w, [96, 32]), { transB: true }),
        whole: sum(mul(w, w)),
        gathered: gather(w, indices),
      };
    },
    { inputs, frozen, device },
  );
  const found = await graph.run(inputs);
  await graph.release();
  await frozen.dispose();
  return found;
}

const on = (device: Device) =>
  test.each([1, 1e7, 1e-12])("products of numbers of about %d are right to half precision", async (scale) => {
    const [expected, found] = [await results("f32", "cpu", scale), await results("f16", device, scale)];
    const products = ["y", "gradient", "low", "high", "turned"] as const;
    for (const name of products)
      expect(found[name]).toBeCloseToTensor(expected[name], { rtol: 0, atol: 0.03 * scale });
    expect(found.gathered).toBeCloseToTensor(expected.gathered, { rtol: 2 ** -11, atol: 1e-7 });
    expect(found.whole.item()).toBeCloseTo(expected.whole.item(), 1);
    // They are computed in half precision: f32 would be this near.
    const error = (name: "y" | "gradient") =>
      Math.max(...found[name].f32.map((value, i) => Math.abs(value - expected[name].f32[i]!)));
    expect(Math.min(error("y"), error("gradient"))).toBeGreaterThan(1e-5 * scale);
  });

describe("on the processor", () => {
  on("cpu");
});
describeOnHalfWebgpu("on the WebGPU provider", () => {
  on("webgpu");
});

test("vectors stay f32, matrices are read back as they were rounded", async () => {
  const frozen = await FrozenWeights.create("f16");
  await frozen.add("norm", Tensor.f32([2], [1 + 2 ** -20, 2]));
  await frozen.add("matrix", Tensor.f32([1, 2], [1 + 2 ** -20, 2]));
  await frozen.add("stored", new Tensor("f16", [1, 2], Uint16Array.of(0x3c00, 0x3c01)));
  expect((await frozen.read("norm")).f32).toEqual(Float32Array.of(1 + 2 ** -20, 2));
  expect((await frozen.read("matrix")).f32).toEqual(Float32Array.of(1, 2));
  expect((await frozen.read("stored")).f32).toEqual(Float32Array.of(1, 1 + 2 ** -10));
  await expect(frozen.add("large", Tensor.f32([1, 1], [1e5]))).rejects.toThrow(
    "dtype: is f16, but large has numbers beyond 65504, its largest; use f32",
  );
  await frozen.dispose();
});
