import { describe, expect, test } from "vitest";
import {
  add,
  compile,
  dequantize,
  FrozenWeights,
  fitsBlocks,
  gather,
  linear,
  matmul,
  mul,
  Parameter,
  packBlocks,
  quantize,
  scan,
  sum,
  Tensor,
  vjp,
} from "../../src/engine/index.js";
import { Random } from "../../src/random.js";

const [rows, columns] = [48, 64];
const random = Random.for(3, "quantized");
const normal = (...shape: number[]) =>
  Tensor.f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
  );
const matrix = normal(rows, columns);
const x = normal(5, columns);
const g = normal(5, rows);

const weight = () => Object.assign(new Parameter("f32", [rows, columns]), { name: "w" });

/** Weights in blocks, and as the f32 numbers that they stand for. */
async function both(bits: 4 | 8) {
  const [blocks, plain] = [await FrozenWeights.create(), await FrozenWeights.create()];
  const quantized = quantize(matrix, bits);
  await blocks.addQuantized("w", quantized);
  await plain.add("w", dequantize(quantized));
  return { blocks, plain };
}

/** The largest difference, as a share of the largest number. */
function difference(got: Tensor, expected: Tensor): number {
  expect(got.shape).toEqual(expected.shape);
  const largest = Math.max(...expected.f32.map(Math.abs));
  return Math.max(...got.f32.map((value, i) => Math.abs(value - expected.f32[i]!))) / largest;
}

/** The squared error of each block when its largest number becomes the largest of so many bits. */
function plainErrors(bits: 4 | 8): number[] {
  return Array.from({ length: matrix.size / 32 }, (_, block) => {
    const numbers = [...matrix.f32.subarray(32 * block, 32 * block + 32)];
    const step = Math.max(...numbers.map(Math.abs)) / (2 ** (bits - 1) - 1);
    return numbers.reduce((sum, value) => sum + (value - step * Math.round(value / step)) ** 2, 0);
  });
}

const errorsOf = (got: Tensor): number[] =>
  Array.from({ length: matrix.size / 32 }, (_, block) =>
    got.f32
      .subarray(32 * block, 32 * block + 32)
      .reduce((sum, value, i) => sum + (value - matrix.f32[32 * block + i]!) ** 2, 0),
  );

test("8 bits are the nearest of 255 numbers on both sides of zero", () => {
  const plain = plainErrors(8);
  for (const [block, error] of errorsOf(dequantize(quantize(matrix, 8))).entries())
    expect(error).toBeCloseTo(plain[block]!, 6);
});

test("4 bits are nowhere worse than the nearest of 15 numbers, and a third better on the whole", () => {
  const [plain, got] = [plainErrors(4), errorsOf(dequantize(quantize(matrix, 4)))];
  for (const [block, error] of got.entries()) expect(error).toBeLessThan(plain[block]! + 1e-6);
  const total = (errors: number[]) => errors.reduce((a, b) => a + b);
  expect(total(got)).toBeLessThan(0.65 * total(plain));
});

describe.each([4, 8] as const)("%i bits", (bits) => {
  test("weights are read back as the numbers that they stand for", async () => {
    const { blocks, plain } = await both(bits);
    expect(await blocks.read("w")).toEqual(await plain.read("w"));
    expect((await blocks.read("w")).f32).toEqual(dequantize(quantize(matrix, bits)).f32);
    expect([blocks.quantized, plain.quantized]).toEqual([true, false]);
    await expect(blocks.addQuantized("w", quantize(matrix, bits))).rejects.toThrow("w is there already");
    await blocks.dispose();
    await plain.dispose();
  });

  test("a linear layer gives what its numbers give, to the 8 bits of its inputs", async () => {
    const { blocks, plain } = await both(bits);
    const run = async (frozen: FrozenWeights) => {
      const w = weight();
      const graph = await compile(({ x }) => linear(x, w), { inputs: { x }, frozen });
      const y = await graph.run({ x });
      await graph.release();
      await frozen.dispose();
      return y;
    };
    const largest = difference(await run(blocks), await run(plain));
    expect(largest).toBeLessThan(0.01);
    expect(largest).toBeGreaterThan(0);
  });

  test("rows, other products, gradients and outputs are those of its numbers", async () => {
    const { blocks, plain } = await both(bits);
    const indices = Tensor.int64([2, 2], [3, 0, 47, 3]);
    const run = async (frozen: FrozenWeights) => {
      const w = weight();
      const graph = await compile(
        ({ x, g, indices }) => ({
          rows: gather(w, indices),
          product: matmul(g, w),
          scaled: matmul(x, w, { transB: true, alpha: 0.5 }),
          gradient: vjp([linear(x, w)], [g], [x])[0]!,
          plain: w,
          twice: mul(w, 2),
        }),
        { inputs: { x, g, indices }, frozen },
      );
      const results = await graph.run({ x, g, indices });
      await graph.release();
      await frozen.dispose();
      return results;
    };
    const [got, expected] = [await run(blocks), await run(plain)];
    for (const name of Object.keys(expected) as (keyof typeof expected)[])
      expect(difference(got[name], expected[name]), name).toBeLessThan(1e-6);
  });

  test("the body of a loop reads blocks from outside", async () => {
    const { blocks, plain } = await both(bits);
    const run = async (frozen: FrozenWeights) => {
      const w = weight();
      const graph = await compile(
        ({ x, g }) => {
          const body = (_: unknown, [x, g]: readonly (typeof w)[]) => ({
            carry: [],
            rows: [add(sum(linear(x!, w)), sum(matmul(g!, w)))],
          });
          return scan({ carry: [], rows: [x, g], body }).rows[0]!;
        },
        {
          inputs: { x: { dtype: "f32", shape: [5, 1, columns] }, g: { dtype: "f32", shape: [5, 1, rows] } },
          frozen,
        },
      );
      const y = await graph.run({ x: x.reshape([5, 1, columns]), g: g.reshape([5, 1, rows]) });
      await graph.release();
      await frozen.dispose();
      return y;
    };
    expect(difference(await run(blocks), await run(plain))).toBeLessThan(0.01);
  });
});

test("blocks of 16 and extreme numbers are kept as they are", () => {
  const quants = Int8Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? -128 : 127));
  const blocks = packBlocks({ shape: [1, 32], bits: 8, blockSize: 16 }, quants, Float32Array.of(0.5, 2));
  expect([...dequantize(blocks).f32]).toEqual([...quants].map((q, i) => q * (i < 16 ? 0.5 : 2)));
});

test("zeros stay zeros", () => {
  expect([...dequantize(quantize(Tensor.zeros("f32", [1, 32]), 4)).f32]).toEqual(Array(32).fill(0));
});

test("only matrices whose rows are whole blocks fit", () => {
  expect([[64, 32], [64, 48], [32], [2, 32, 32], [4, 0]].map(fitsBlocks)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
});
