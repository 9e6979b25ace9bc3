import { runtime } from "#runtime";
import type { FrozenWeights } from "./frozen-weights.js";
import { lower } from "./lower.js";
import { writeOnnx } from "./onnx-graph.js";
import { peakBytes } from "./peak-bytes.js";
import { requireDevice } from "./require-device.js";
import type { SessionOptions } from "./runtime.js";
import type { StoredWeight } from "./stored.js";
import { sameShape, Tensor } from "./tensor.js";
import { leaves, type MapTree, mapTree } from "./tree.js";
import { input, nodesOf, Parameter, type TypeInfo, Value } from "./value.js";

/** What {@link compile} is told beside the function. */
export interface CompileOptions<I extends object> extends SessionOptions {
  /**
   * The type of every input: a record (or list) of types, nested as the function wants it. A first size of -1: each run has
   * as many rows as it likes, and so have the results; the function is traced with one.
   */
  readonly inputs: I;
  /** The frozen parameters that the function reads. */
  readonly frozen?: FrozenWeights;
  /**
   * Keys of the result whose tensors stay on the device where it can keep them (WebGPU): they can be inputs of a next
   * run, have no data to read, and are freed by their `dispose`.
   */
  readonly keep?: readonly string[];
}

/** Tensors by parameter name. */
export type Params = Readonly<Record<string, Tensor>>;

/** What a compiled function is given: its inputs, and the trainable parameters by name when it reads any. */
export type RunInputs<I extends object> = MapTree<I, TypeInfo, Tensor> & { readonly params?: Params };

/** A function of values, traced, written as one ONNX model and ready to run. */
export interface Executable<I extends object, O extends object> {
  /** Runs it once. @throws Error when an input is missing or of another type. */
  run(inputs: RunInputs<I>): Promise<MapTree<O, Value, Tensor>>;
  /** Frees the session. */
  release(): Promise<void>;
  /** Number of ONNX nodes. */
  readonly nodeCount: number;
}

/**
 * Traces a function of values and compiles it into one session.
 *
 * @throws TypeError when an input or output is bf16, which ONNX Runtime's JavaScript tensors do not know.
 * @throws Error when the function reads a frozen parameter that `frozen` does not hold, or one of another shape, or when
 * it does not treat rows apart of which there may be any number.
 */
export async function compile<const I extends object, O extends object>(
  fn: (inputs: MapTree<I, TypeInfo, Value>) => O,
  options: CompileOptions<I>,
): Promise<Executable<I, O>> {
  const { inputs: types, frozen, keep = [], ...session } = options;
  const { device = "cpu" } = session;
  await requireDevice(device);
  const { placeholders, results: traced } = trace(fn, types);
  const given = leaves(placeholders, isValue);
  const outputs = leaves(traced, isValue);
  if ([...given, ...outputs].some((value) => value.dtype === "bf16"))
    throw new TypeError(
      "compile: a bf16 tensor can be neither an input nor an output of a graph; convert it to f32",
    );

  const trainable: Parameter[] = [];
  const external = new Map<Value, StoredWeight>();
  for (const [value] of nodesOf(outputs).map((node) => node.outputs)) {
    if (!(value instanceof Parameter)) continue;
    if (value.trainable) {
      trainable.push(value);
      continue;
    }
    if (!frozen)
      throw new Error(
        `compile: the graph reads the frozen weight ${value.name}, but was given no frozen weights`,
      );
    const stored = frozen.get(value.name);
    if (!sameShape(stored.shape, value.shape)) {
      throw new Error(
        `compile: ${value.name} is [${stored.shape}] in the frozen weights, the graph expects [${value.shape}]`,
      );
    }
    external.set(value, stored);
  }

  const declared = leaves(types, isType);
  const anyRows = new Set(given.filter((_, i) => declared[i]!.shape[0] === -1));
  const model = writeOnnx(outputs, [...given, ...trainable], external, device, anyRows);
  const keyed = isValue(traced) ? [] : Object.entries(traced);
  const keys = keyed.flatMap(([key, tree]) => leaves(tree, isValue).map(() => key));
  const running = await runtime.createSession(model, external.size > 0 ? frozen?.storage : undefined, {
    ...session,
    kept: model.outputs.filter((_, i) => keep.includes(keys[i]!)),
  });
  return {
    nodeCount: model.nodeCount,
    async run({ params, ...inputs }) {
      const tensors = collect(types, inputs);
      for (const parameter of trainable) {
        const tensor = params?.[parameter.name];
        if (!tensor) throw new Error(`run: expected a tensor for the parameter ${parameter.name}, got none`);
        tensors.push(checkType(parameter.name, parameter, tensor));
      }
      const results = await running.run(tensors);
      const produced =
        anyRows.size > 0 ? results : results.map((tensor, i) => reshaped(tensor, outputs[i]!.shape));
      let next = 0;
      return mapTree<MapTree<O, Value, Tensor>>(traced, isValue, () => produced[next++]!);
    },
    release: () => running.release(),
  };
}

/**
 * The most bytes that the values of a function take at once while it runs, beside weights and inputs: an estimate. Nothing is
 * compiled.
 */
export function estimateBytes<const I extends object, O extends object>(
  fn: (inputs: MapTree<I, TypeInfo, Value>) => O,
  types: I,
): number {
  return peakBytes(lower(leaves(trace(fn, types).results, isValue)));
}

function trace<const I extends object, O extends object>(
  fn: (inputs: MapTree<I, TypeInfo, Value>) => O,
  types: I,
) {
  const placeholders = mapTree<MapTree<I, TypeInfo, Value>>(types, isType, ({ dtype, shape }: TypeInfo) =>
    input(
      dtype,
      shape.map((size) => (size < 0 ? 1 : size)),
    ),
  );
  return { placeholders, results: fn(placeholders) };
}

/** The same elements in another shape. */
const reshaped = (tensor: Tensor, shape: readonly number[]): Tensor =>
  sameShape(tensor.shape, shape) ? tensor : new Tensor(tensor.dtype, shape, tensor.data);

const isType = (x: unknown): x is TypeInfo =>
  typeof x === "object" && x !== null && "dtype" in x && "shape" in x;
const isValue = (x: unknown): x is Value => x instanceof Value;

/** The tensors of a tree in the order of its types. */
function collect(types: object, tensors: unknown, path = "input"): Tensor[] {
  if (isType(types)) return [checkType(path, types, tensors as Tensor | undefined)];
  return Object.entries(types).flatMap(([key, type]) =>
    collect(type, (tensors as Record<string, unknown> | undefined)?.[key], `${path}.${key}`),
  );
}

function checkType(name: string, expected: TypeInfo, tensor: Tensor | undefined): Tensor {
  const sizes =
    tensor && expected.shape[0] === -1 ? expected.shape.with(0, tensor.shape[0]!) : expected.shape;
  if (tensor && tensor.dtype === expected.dtype && sameShape(tensor.shape, sizes)) return tensor;
  const told = ({ dtype, shape }: TypeInfo) => `${dtype} [${shape}]`;
  throw new Error(
    `run: ${name} is ${tensor ? told(tensor) : "missing"}, the graph expects ${told(expected)}`,
  );
}
