import { emitWhole } from "../half-nodes.js";
import { axisOf, call, defineOp, shapeError } from "../op.js";
import { emitBlockGather } from "../quantized-nodes.js";
import { Tensor } from "../tensor.js";
import { apply, type Op, type Value } from "../value.js";
import { reshape, zeros } from "./shape.js";

export const gatherOp: Op = defineOp({
  name: "gather",
  infer(inputs) {
    const [table, indices] = inputs;
    if (indices!.dtype !== "int64") throw shapeError("gather", inputs, "int64 indices");
    return { dtype: table!.dtype, shape: [...indices!.shape, ...table!.shape.slice(1)] };
  },
  onnx(e, inputs, outputs) {
    const [table, indices] = inputs as [string, string];
    const blocks = e.blocks(table);
    if (blocks) return emitBlockGather(e, blocks, indices, outputs[0]!);
    const half = e.half(table);
    if (!half) return e.node("Gather", inputs, outputs, { axis: 0 });
    const rows = e.fresh();
    e.node("Gather", [half, indices], [rows], { axis: 0 });
    emitWhole(e, rows, outputs[0]!);
  },
  grad: ({ grads: [g], inputs: [table, indices] }) => [scatterAdd(table!.shape, indices!, g!), undefined],
});

export const scatterAddOp: Op = defineOp<{ shape: readonly number[] }>({
  name: "scatterAdd",
  infer: ([, rows], { shape }) => ({ dtype: rows!.dtype, shape }),
  onnx(e, [indices, rows], outputs, { shape }, node) {
    const { dtype } = node.outputs[0]!;
    const target = e.fresh();
    const zero = e.constant(Tensor.zeros(dtype, []));
    e.node("Expand", [zero, e.constant(Tensor.int64([shape.length], shape))], [target]);
    e.node("ScatterND", [target, indices!, rows!], outputs, { reduction: "add" });
  },
  grad: ({ grads: [g], inputs: [indices] }) => [
    undefined,
    gather(g!, reshape(indices!, indices!.shape.slice(0, -1))),
  ],
});

export const takeAlongOp: Op = defineOp<{ axis: number }>({
  name: "takeAlong",
  infer(inputs) {
    const [x, indices] = inputs;
    if (indices!.dtype !== "int64" || indices!.shape.length !== x!.shape.length) {
      throw shapeError("takeAlong", inputs, "int64 indices of the same rank");
    }
    return { dtype: x!.dtype, shape: indices!.shape };
  },
  onnx: (e, inputs, outputs, { axis }) => e.node("GatherElements", inputs, outputs, { axis }),
  grad: ({ grads: [g], inputs: [x, indices], attrs: { axis } }) => [
    putAlong(x!.shape, indices!, g!, axis),
    undefined,
  ],
});

export const putAlongOp: Op = defineOp<{ shape: readonly number[]; axis: number }>({
  name: "putAlong",
  infer: ([, values], { shape }) => ({ dtype: values!.dtype, shape }),
  onnx(e, [indices, values], outputs, { shape, axis }, node) {
    const target = e.fresh();
    const zero = e.constant(Tensor.zeros(node.outputs[0]!.dtype, []));
    e.node("Expand", [zero, e.constant(Tensor.int64([shape.length], shape))], [target]);
    e.node("ScatterElements", [target, indices!, values!], outputs, { axis, reduction: "add" });
  },
  grad: ({ grads: [g], inputs: [indices], attrs: { axis } }) => [undefined, takeAlong(g!, indices!, axis)],
});

export const topKOp: Op = defineOp<{ k: number }>({
  name: "topK",
  infer(inputs, { k }) {
    const { dtype, shape } = inputs[0]!;
    if (!(k >= 1 && k <= shape.at(-1)!)) throw shapeError("topK", inputs, `at least ${k} in the last axis`);
    const found = shape.with(-1, k);
    return [
      { dtype, shape: found },
      { dtype: "int64", shape: found },
    ];
  },
  onnx: (e, [x], outputs, { k }) =>
    e.node("TopK", [x!, e.constant(Tensor.int64([1], [k]))], outputs, { axis: -1, largest: 1, sorted: 1 }),
  grad: ({ grads: [g], inputs: [x], outputs: [, indices] }) => [
    putAlong(x!.shape, indices!, g!, x!.rank - 1),
  ],
});

/** Rows of a table [n, ..] by int64 indices [..]: [indices.., ..]. */
export const gather = (table: Value, indices: Value): Value => call(gatherOp, [table, indices]);

/** Zeros of a shape [n, ..] with each row [indices.., ..] added at its index. */
export function scatterAdd(shape: readonly number[], indices: Value, rows: Value): Value {
  return call(scatterAddOp, [reshape(indices, [...indices.shape, 1]), rows], { shape });
}

/** The element at each index along an axis; indices have the rank of x. */
export const takeAlong = (x: Value, indices: Value, axis: number): Value =>
  call(takeAlongOp, [x, indices], { axis: axisOf("takeAlong", axis, x.rank) });

/** Zeros of a shape with each value added at its index along an axis. */
export const putAlong = (shape: readonly number[], indices: Value, values: Value, axis: number): Value =>
  indices.size === 0 ? zeros(values.dtype, shape) : call(putAlongOp, [indices, values], { shape, axis });

/** The k largest elements along the last axis, the largest first, and where they stand (int64): both [.., k]. */
export function topK(x: Value, k: number): { values: Value; indices: Value } {
  const [values, indices] = apply(topKOp, [x], { k }) as [Value, Value];
  return { values, indices };
}
