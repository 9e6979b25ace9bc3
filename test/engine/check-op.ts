import { expect } from "vitest";
import {
  compile,
  constant,
  type Device,
  type DType,
  sizeOf,
  Tensor,
  type Value,
  vjp,
  zeros,
} from "../../src/engine/index.js";
import { Random } from "../../src/random.js";

/** An input of a function under test. Those without a dtype are real: they take the dtype of the check. */
export interface Sample {
  readonly dtype?: DType;
  readonly shape: readonly number[];
  readonly values: number[];
  /** Real, but no gradient flows to it. */
  readonly fixed?: true;
}

/** An array of float64 that is read at the last axes of an index, broadcasting. */
export class Reference {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;

  constructor(shape: readonly number[], values: ArrayLike<number>) {
    this.shape = shape;
    this.values = values;
  }

  at(index: readonly number[]): number {
    const own = index.slice(index.length - this.shape.length);
    return this.values[this.shape.reduce((flat, n, axis) => flat * n + (n === 1 ? 0 : own[axis]!), 0)]!;
  }
}

/** A function of values and how it is checked. */
export interface OpCase {
  readonly inputs: readonly Sample[];
  apply(inputs: Value[]): Value | readonly Value[];
  /** An element of an output (the first unless told), in plain arithmetic. */
  expected(inputs: readonly Reference[], index: readonly number[], output: number): number;
  /** ONNX Runtime has no float64 kernel for it: the differences are those of the plain arithmetic. */
  readonly single?: true;
}

let samples = 0;
const fill = (shape: readonly number[], draw: (random: Random) => number): number[] => {
  const random = Random.for(1, "sample", samples++);
  return Array.from({ length: sizeOf(shape) }, () => draw(random));
};

/** Real numbers around zero. */
export const real = (...shape: number[]): Sample => ({ shape, values: fill(shape, (r) => r.normal()) });
/** Real numbers in [0.5, 2). */
export const positive = (...shape: number[]): Sample => ({
  shape,
  values: fill(shape, (r) => 0.5 + 1.5 * r.uniform()),
});
/** Integers in [low, high). */
export const integers = (dtype: DType, low: number, high: number, ...shape: number[]): Sample => ({
  dtype,
  shape,
  values: fill(shape, (r) => low + r.below(high - low)),
});
/** A real input that no gradient flows to. */
export const fixed = (sample: Sample): Sample => ({ ...sample, fixed: true });
/** Given values. */
export const given = (shape: number[], values: number[], dtype?: DType): Sample =>
  dtype ? { dtype, shape, values } : { shape, values };

/** All indices of a shape, in order. */
export function indices(shape: readonly number[]): number[][] {
  return Array.from({ length: sizeOf(shape) }, (_, flat) => {
    let rest = flat;
    return shape
      .toReversed()
      .map((n) => {
        const i = rest % n;
        rest = (rest - i) / n;
        return i;
      })
      .reverse();
  });
}

const toTensor = (sample: Sample, dtype: DType): Tensor => {
  const tensor = Tensor.zeros(sample.dtype ?? dtype, sample.shape);
  for (const [i, value] of sample.values.entries())
    tensor.data[i] = tensor.dtype === "int64" ? BigInt(value) : (value as never);
  return tensor;
};
const isDifferentiable = ({ dtype, fixed }: Sample) => dtype === undefined && !fixed;
const numbers = (tensor: Tensor): Float64Array => Float64Array.from(tensor.data as ArrayLike<number>, Number);

/** What came out of a function and its gradient, and the weighted sum of its outputs that was differentiated. */
interface Run {
  readonly outputs: readonly Tensor[];
  readonly grads: readonly Tensor[];
  readonly sum: number;
  /** The weights of that sum, by output. */
  readonly weights: readonly (Float64Array | undefined)[];
}

/** Compiles a function together with the gradient of a weighted sum of its real outputs. */
async function differentiated({ inputs, apply }: OpCase, dtype: "f32" | "f64", device: Device = "cpu") {
  const weights: (Float64Array | undefined)[] = [];
  const executable = await compile(
    ({ x }: { x: Value[] }) => {
      const outputs = [apply(x)].flat() as Value[];
      const random = Random.for(2, "weights");
      const weighted = outputs.filter((output) => output.dtype === dtype);
      for (const output of outputs)
        weights.push(
          output.dtype === dtype
            ? Float64Array.from({ length: output.size }, () => random.normal())
            : undefined,
        );
      const seeds = weights
        .filter((w) => w !== undefined)
        .map((w, i) => constant(toTensor({ shape: weighted[i]!.shape, values: [...w] }, dtype)));
      const wrt = x.filter((_, i) => isDifferentiable(inputs[i]!));
      const grads = vjp(weighted, seeds, wrt).map((g, i) => g ?? zeros(dtype, wrt[i]!.shape));
      return { outputs, grads };
    },
    {
      inputs: { x: inputs.map(({ dtype: own, shape }) => ({ dtype: own ?? dtype, shape })) },
      threads: 1,
      device,
    },
  );
  return {
    async run(samples: readonly Sample[]): Promise<Run> {
      const { outputs, grads } = await executable.run({
        x: samples.map((sample) => toTensor(sample, dtype)),
      });
      let sum = 0;
      for (const [i, output] of outputs.entries())
        for (const [j, w] of (weights[i] ?? []).entries()) sum += w * Number(output.data[j]);
      return { outputs, grads, sum, weights };
    },
    release: () => executable.release(),
  };
}

/**
 * Checks a function forward in f32 against its reference, its float64 gradient against central differences, and its
 * f32 gradient against the float64 one.
 * @returns whether a gradient was there to check.
 */
export async function checkOp(opCase: OpCase): Promise<boolean> {
  const { inputs, expected } = opCase;
  const single = await differentiated(opCase, "f32");
  const f32 = await single.run(inputs);
  const references = inputs.map(({ shape, values }) => new Reference(shape, values));
  for (const [o, output] of f32.outputs.entries()) {
    const want = indices(output.shape).map((index) => expected(references, index, o));
    expect(numbers(output)).toBeCloseToTensor(want, { rtol: 1e-5, atol: 2e-6 });
  }
  const step = 1e-5;
  const plainSum = (samples: readonly Sample[]) => {
    const at = samples.map(({ shape, values }) => new Reference(shape, values));
    return f32.outputs
      .flatMap(({ shape }, o) =>
        indices(shape).map((index, i) => expected(at, index, o) * (f32.weights[o]?.[i] ?? 0)),
      )
      .reduce((a, b) => a + b, 0);
  };
  const double = opCase.single ? undefined : await differentiated(opCase, "f64");
  const exact = await double?.run(inputs);
  const differentiable = inputs.filter(isDifferentiable);
  for (const [k, sample] of differentiable.entries()) {
    const differences: number[] = [];
    for (const i of sample.values.keys()) {
      const moved = async (by: number) => {
        const at = { ...sample, values: sample.values.with(i, sample.values[i]! + by) };
        const samples = inputs.map((other) => (other === sample ? at : other));
        return double ? (await double.run(samples)).sum : plainSum(samples);
      };
      differences.push(((await moved(step)) - (await moved(-step))) / (2 * step));
    }
    if (exact) expect(exact.grads[k]!).toBeCloseToTensor(differences, { rtol: 1e-6, atol: 1e-6 });
    expect(f32.grads[k]!).toBeCloseToTensor(exact?.grads[k] ?? differences, { rtol: 1e-4, atol: 1e-5 });
  }
  await single.release();
  await double?.release();
  return differentiable.length > 0 && f32.outputs.some((output) => output.dtype === "f32");
}

/** Checks a function and its gradient in f32 on a device against the processor. */
export async function checkOpOn(device: Device, opCase: OpCase): Promise<void> {
  const [expected, given] = await Promise.all(
    (["cpu", device] as const).map(async (where) => {
      const executable = await differentiated(opCase, "f32", where);
      const { outputs, grads } = await executable.run(opCase.inputs);
      await executable.release();
      return [...outputs, ...grads];
    }),
  );
  for (const [i, tensor] of given!.entries())
    expect(tensor).toBeCloseToTensor(expected![i]!, { rtol: 2e-5, atol: 2e-5 });
}
