import { expect } from "vitest";
import {
  compile,
  type MapTree,
  type Params,
  type RunInputs,
  sizeOf,
  Tensor,
  type TypeInfo,
  type Value,
} from "../../../src/engine/index.js";
import type { Random } from "../../../src/random.js";

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

/** Traces, compiles and runs a function once. `params` holds the trainable parameters that it reads. */
export async function evaluate<const I extends object, O extends object>(
  fn: (inputs: MapTree<I, TypeInfo, Value>) => O,
  tensors: I,
  params: Params = {},
): Promise<MapTree<O, Value, Tensor>> {
  // A tensor says its own type.
  const executable = await compile(fn, { inputs: tensors, threads: 1 });
  const result = await executable.run({ ...tensors, params } as unknown as RunInputs<I>);
  await executable.release();
  return result;
}

/** d f / d x for every number in x, nested as x, in float64. */
export function centralDifferences<T extends Nested>(x: T, f: (changed: T) => number, step = 1e-5): T {
  const numbers = flatten(x);
  const at = (i: number, value: number) => f(nest(numbers.with(i, value), x) as T);
  return nest(
    numbers.map((value, i) => (at(i, value + step) - at(i, value - step)) / (2 * step)),
    x,
  ) as T;
}

function nest(numbers: readonly number[], like: Nested): Nested {
  let next = 0;
  const walk = (x: Nested): Nested => (typeof x === "number" ? numbers[next++]! : x.map(walk));
  return walk(like);
}

/** Every element within `tolerance` times the largest expected one. */
export function expectClose(actual: Tensor, expected: Nested, tolerance = 1e-5, what?: string): void {
  const values = flatten(expected);
  const largest = values.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  expect(sizeOf(actual.shape)).toBe(values.length);
  expect(actual, what).toBeCloseToTensor(values, { rtol: 0, atol: tolerance * largest });
}
