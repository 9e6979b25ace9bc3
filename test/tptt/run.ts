import { expect } from "vitest";
import { compile, type MapTree, sizeOf, Tensor, type Value } from "../../src/engine/index.js";
import type { Random } from "../../src/random.js";

/** Nested arrays of numbers. */
export type Nested = number | readonly Nested[];

/** Random numbers that float32 holds, nested as the shape says. */
export function draw(random: Random, shape: readonly number[], of = () => random.normal()): Nested {
  const [size, ...rest] = shape;
  if (size === undefined) return Math.fround(of());
  return Array.from({ length: size }, () => draw(random, rest, of));
}

export function flatten(x: Nested): number[] {
  return typeof x === "number" ? [x] : x.flatMap(flatten);
}

export function shapeOf(x: Nested): number[] {
  return typeof x === "number" ? [] : [x.length, ...shapeOf(x[0]!)];
}

export const tensorOf = (x: Nested): Tensor => Tensor.f32(shapeOf(x), flatten(x));

/** Traces, compiles and runs a function once. */
export async function evaluate<I extends Record<string, Tensor>, O extends object>(
  fn: (inputs: { [K in keyof I]: Value }) => O,
  tensors: I,
): Promise<MapTree<O, Value, Tensor>> {
  const types = Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape }]) => [name, { dtype, shape }]),
  );
  const executable = await compile((inputs) => fn(inputs as { [K in keyof I]: Value }), {
    inputs: types,
    threads: 1,
  });
  const result = await executable.run(tensors as never);
  await executable.release();
  return result;
}

/** Every element within `tolerance` times the largest expected one. */
export function expectClose(actual: Tensor, expected: Nested, tolerance = 1e-5, what?: string): void {
  const values = flatten(expected);
  const largest = values.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  expect(sizeOf(actual.shape)).toBe(values.length);
  expect(actual, what).toBeCloseToTensor(values, { rtol: 0, atol: tolerance * largest });
}
