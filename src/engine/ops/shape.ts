import { axisOf, broadcastShape, call, defineOp, sameDType, shapeError } from "../op.js";
import { sizeOf, Tensor } from "../tensor.js";
import { apply, type Emitter, type Op, scalar, type TypeInfo, type Value } from "../value.js";

const int64 = (values: readonly number[]): Tensor => Tensor.int64([values.length], values);

export const reshapeOp: Op = defineOp<{ shape: readonly number[] }>({
  name: "reshape",
  infer([x], { shape }) {
    if (sizeOf(shape) !== sizeOf(x!.shape) || !shape.every(Number.isInteger))
      throw shapeError("reshape", [x!], `${sizeOf(shape)} elements for [${shape}]`);
    return { dtype: x!.dtype, shape };
  },
  onnx: (e, [x], outputs, { shape }) => e.node("Reshape", [x!, e.constant(int64(shape))], outputs),
  grad: ({ grads: [g], inputs: [x] }) => [reshape(g!, x!.shape)],
});

export const transposeOp: Op = defineOp<{ perm: readonly number[] }>({
  name: "transpose",
  infer([x], { perm }) {
    const axes = x!.shape.map((_, axis) => axis);
    if (perm.length !== axes.length || !axes.every((axis) => perm.includes(axis))) {
      throw shapeError("transpose", [x!], `a permutation of its axes, not [${perm}]`);
    }
    return { dtype: x!.dtype, shape: perm.map((axis) => x!.shape[axis]!) };
  },
  onnx(e, inputs, outputs, { perm }, node) {
    const rows = movedRows(e, node.inputs[0]!, perm);
    if (!rows) {
      e.node("Transpose", inputs, outputs, { perm });
      return;
    }
    const shaped = (x: string, shape: readonly number[], to: string) =>
      e.node("Reshape", [x, e.constant(int64(shape))], [to]);
    const [flat, moved] = [e.fresh(), e.fresh()];
    shaped(inputs[0]!, [rows.size, -1], flat);
    e.node("Gather", [flat, e.constant(rows)], [moved], { axis: 0 });
    shaped(moved, node.outputs[0]!.shape, outputs[0]!);
  },
  grad: ({ grads: [g], attrs: { perm } }) => [
    transpose(
      g!,
      perm.map((_, axis) => perm.indexOf(axis)),
    ),
  ],
});

/**
 * Where long rows move and are themselves untouched: which row goes where, [rows]. ONNX Runtime's Transpose works on one
 * thread, its Gather on all.
 */
function movedRows(e: Emitter, { shape }: TypeInfo, perm: readonly number[]): Tensor | undefined {
  let axes = perm.length;
  while (axes > 0 && perm[axes - 1] === axes - 1) axes--;
  const count = sizeOf(shape.slice(0, axes));
  const length = sizeOf(shape.slice(axes));
  if (length < 64 || count * length < 2 ** 20) return undefined;
  const known = rowIndices.get(e) ?? new Map<string, Tensor>();
  rowIndices.set(e, known);
  const key = `${shape} ${perm}`;
  if (!known.has(key)) {
    const strides = shape.slice(0, axes).map((_, axis) => sizeOf(shape.slice(axis + 1, axes)));
    let rows = [0];
    for (const axis of perm.slice(0, axes)) {
      const steps = Array.from({ length: shape[axis]! }, (_, i) => i * strides[axis]!);
      rows = rows.flatMap((row) => steps.map((step) => row + step));
    }
    known.set(key, Tensor.int64([count], rows));
  }
  return known.get(key);
}

/** By shape and permutation: all layers of a graph share them. */
const rowIndices = new WeakMap<Emitter, Map<string, Tensor>>();

export const splitOp: Op = defineOp<{ axis: number; sizes: readonly number[] }>({
  name: "split",
  infer([x], { axis, sizes }) {
    if (x!.shape[axis] !== sizes.reduce((a, b) => a + b, 0))
      throw shapeError("split", [x!], `sizes that add up, not [${sizes}]`);
    return sizes.map((size) => ({ dtype: x!.dtype, shape: x!.shape.with(axis, size) }));
  },
  onnx: (e, [x], outputs, { axis, sizes }) =>
    e.node("Split", [x!, e.constant(int64(sizes))], outputs, { axis }),
  grad: ({ grads, attrs: { axis } }) => [concat(grads, axis)],
});

export const concatOp: Op = defineOp<{ axis: number }>({
  name: "concat",
  infer(inputs, { axis }) {
    const dtype = sameDType("concat", inputs);
    const first = inputs[0]!.shape;
    const fits = inputs.every(
      ({ shape: s }) => s.length === first.length && s.every((n, i) => i === axis || n === first[i]),
    );
    if (!fits) throw shapeError("concat", inputs, `equal shapes but for axis ${axis}`);
    return {
      dtype,
      shape: first.with(
        axis,
        inputs.reduce((n, { shape }) => n + shape[axis]!, 0),
      ),
    };
  },
  onnx: (e, inputs, outputs, { axis }) => e.node("Concat", inputs, outputs, { axis }),
  grad: ({ grads: [g], inputs, attrs: { axis } }) =>
    split(
      g!,
      axis,
      inputs.map((x) => x.shape[axis]!),
    ),
});

export const expandOp: Op = defineOp<{ shape: readonly number[] }>({
  name: "expand",
  infer([x], { shape }) {
    const result = broadcastShape("expand", [x!, { dtype: x!.dtype, shape }]);
    if (result.some((n, i) => n !== shape[i]))
      throw shapeError("expand", [x!], `a shape that broadcasts to [${shape}]`);
    return { dtype: x!.dtype, shape };
  },
  onnx: (e, [x], outputs, { shape }) => e.node("Expand", [x!, e.constant(int64(shape))], outputs),
  grad: ({ grads }) => grads,
});

export const flipOp: Op = defineOp<{ axis: number }>({
  name: "flip",
  infer: ([x]) => x!,
  onnx(e, [x], outputs, { axis }) {
    const past = -(2 ** 31);
    const [starts, ends, axes, steps] = [[-1], [past], [axis], [-1]].map((v) => e.constant(int64(v)));
    e.node("Slice", [x!, starts!, ends!, axes!, steps!], outputs);
  },
  grad: ({ grads: [g], attrs: { axis } }) => [flip(g!, axis)],
});

/** The same elements under another shape; one size may be -1. */
export function reshape(x: Value, shape: readonly number[]): Value {
  const known = shape.reduce((n, size) => (size < 0 ? n : n * size), 1);
  const full = shape.map((size) => (size < 0 ? x.size / known : size));
  return full.length === x.rank && full.every((n, i) => n === x.shape[i])
    ? x
    : call(reshapeOp, [x], { shape: full });
}

/** Reorders the axes: axis i of the result is axis `perm[i]` of x. */
export function transpose(x: Value, perm: readonly number[]): Value {
  const [{ shape }] = transposeOp.infer([x], { perm }) as [Value];
  // Axes of size 1 move without moving any element.
  const long = perm.filter((axis) => x.shape[axis] !== 1);
  return long.every((axis, i) => i === 0 || axis > long[i - 1]!)
    ? reshape(x, shape)
    : call(transposeOp, [x], { perm });
}

/** Cuts x along an axis into parts of these sizes. Prefer it to slices: its gradient is one concat. */
export function split(x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  if (sizes.length === 1 && sizes[0] === x.shape[axisOf("split", axis, x.rank)]) return [x];
  return apply(splitOp, [x], { axis: axisOf("split", axis, x.rank), sizes });
}

/** x[start:end] along an axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const a = axisOf("slice", axis, x.rank);
  const size = x.shape[a]!;
  if (start < 0 || end > size || start >= end)
    throw shapeError("slice", [x], `0 <= ${start} < ${end} <= ${size}`);
  const parts = split(
    x,
    a,
    [start, end - start, size - end].filter((n) => n > 0),
  );
  return parts[start > 0 ? 1 : 0]!;
}

/** Joins values along an axis. */
export function concat(values: readonly Value[], axis: number): Value {
  return values.length === 1
    ? values[0]!
    : call(concatOp, values, { axis: axisOf("concat", axis, values[0]!.rank) });
}

/** Repeats along axes of size 1 (and new leading axes) up to a shape. */
export function expand(x: Value, shape: readonly number[]): Value {
  return shape.length === x.rank && shape.every((n, i) => n === x.shape[i])
    ? x
    : call(expandOp, [x], { shape });
}

/** Reverses the order along an axis. */
export function flip(x: Value, axis: number): Value {
  return call(flipOp, [x], { axis: axisOf("flip", axis, x.rank) });
}

/** Zeros of a shape. */
export function zeros(dtype: Value["dtype"], shape: readonly number[]): Value {
  return expand(scalar(0, dtype), shape);
}
