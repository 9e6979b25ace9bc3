import { compile, type MapTree, type Params, Tensor, type Value } from "../../src/engine/index.js";
import { sizeOf } from "../../src/engine/tensor.js";
import { Random } from "../../src/random.js";

/** Compiles a function, runs it once on these tensors, and lets go of it. */
export async function evaluate<T extends Record<string, Tensor>, O extends object>(
  fn: (inputs: { [K in keyof T]: Value }) => O,
  tensors: T,
  params?: Params,
): Promise<MapTree<O, Value, Tensor>> {
  const executable = await compile(fn as (inputs: object) => O, { inputs: tensors as object, threads: 1 });
  const results = await executable.run({ ...tensors, ...(params ? { params } : {}) });
  await executable.release();
  return results;
}

/** Float64 normal numbers; the same for the same shape and name. */
export function normal(shape: readonly number[], name = ""): Tensor {
  const random = Random.for(3, name, ...shape);
  return new Tensor(
    "f64",
    shape,
    Float64Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );
}
