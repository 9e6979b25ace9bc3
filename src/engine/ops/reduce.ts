import { axisOf, call, defineOp } from "../op.js";
import { Tensor } from "../tensor.js";
import type { Op, Value } from "../value.js";
import { div, equal, mul, sub, where } from "./elementwise.js";
import { expand, flip, reshape } from "./shape.js";

interface Axes {
  readonly axes: readonly number[];
}

const kept = (shape: readonly number[], axes: readonly number[]) =>
  shape.map((n, i) => (axes.includes(i) ? 1 : n));

const reduction = (name: string, onnx: string, grad: (g: Value, x: Value, y: Value) => Value): Op =>
  defineOp<Axes>({
    name,
    infer: ([x], { axes }) => ({ dtype: x!.dtype, shape: kept(x!.shape, axes) }),
    onnx: (e, [x], outputs, { axes }) =>
      e.node(onnx, [x!, e.constant(Tensor.int64([axes.length], axes))], outputs, { keepdims: 1 }),
    grad: ({ grads: [g], inputs: [x], outputs: [y] }) => [grad(g!, x!, y!)],
  });

export const sumOp: Op = reduction("sum", "ReduceSum", (g, x) => expand(g, x.shape));
export const meanOp: Op = reduction("mean", "ReduceMean", (g, x) =>
  expand(div(g, x.size / Math.max(1, g.size)), x.shape),
);
export const maxOp: Op = reduction("max", "ReduceMax", (g, x, y) => where(equal(x, y), g, 0));

export const cumsumOp: Op = defineOp<{ axis: number }>({
  name: "cumsum",
  infer: ([x]) => x!,
  onnx: (e, [x], outputs, { axis }) => e.node("CumSum", [x!, e.constant(Tensor.int64([], [axis]))], outputs),
  grad: ({ grads: [g], attrs: { axis } }) => [flip(cumsum(flip(g!, axis), axis), axis)],
});

export const softmaxOp: Op = defineOp({
  name: "softmax",
  axes: "last",
  infer: ([x]) => x!,
  onnx: (e, inputs, outputs) => e.node("Softmax", inputs, outputs, { axis: -1 }),
  grad({ grads: [g], outputs: [y] }) {
    const gy = mul(g!, y!);
    return [sub(gy, mul(y!, sum(gy, [-1], true)))];
  },
});

function reduce(op: Op, x: Value, axes: readonly number[] | undefined, keep: boolean): Value {
  const all = (axes ?? x.shape.map((_, i) => i)).map((axis) => axisOf(op.name, axis, x.rank));
  if (all.length === 0) return x;
  const result = call(op, [x], { axes: all });
  return keep
    ? result
    : reshape(
        result,
        x.shape.filter((_, i) => !all.includes(i)),
      );
}

/** Sum over axes (all of them by default); `keep` leaves them with size 1. */
export const sum = (x: Value, axes?: readonly number[], keep = false): Value => reduce(sumOp, x, axes, keep);
/** Mean over axes. */
export const mean = (x: Value, axes?: readonly number[], keep = false): Value =>
  reduce(meanOp, x, axes, keep);
/** Largest element over axes; where several are equal each gets the whole gradient. */
export const max = (x: Value, axes?: readonly number[], keep = false): Value => reduce(maxOp, x, axes, keep);
/** Running sum along an axis, the element itself included. */
export const cumsum = (x: Value, axis: number): Value =>
  call(cumsumOp, [x], { axis: axisOf("cumsum", axis, x.rank) });
/** Softmax over the last axis. */
export const softmax = (x: Value): Value => call(softmaxOp, [x]);
