import { defineOp, sameDType, shapeError } from "../op.js";
import { Tensor } from "../tensor.js";
import { apply, type Op, scalar, type Value } from "../value.js";
import { cast, div, equal, mul, sub, where } from "./elementwise.js";
import { mean, sum } from "./reduce.js";

/** The second output, the inverse of the root mean square [.., 1], is what the gradient needs; f32 always. */
export const rmsNormOp: Op = defineOp<{ eps: number }>({
  name: "rmsNorm",
  axes: "last",
  infer(inputs) {
    const [x, weight] = inputs;
    sameDType("rmsNorm", inputs);
    if (weight && (weight.shape.length !== 1 || weight.shape[0] !== x!.shape.at(-1))) {
      throw shapeError("rmsNorm", inputs, "a weight as long as the last axis");
    }
    return [x!, { dtype: "f32", shape: x!.shape.with(-1, 1) }];
  },
  onnx(e, [x, weight], outputs, { eps }, node) {
    const { dtype, shape } = node.inputs[0]!;
    const ones = () => {
      const tensor = Tensor.zeros(dtype, [shape.at(-1)!]);
      (tensor.data as Float32Array).fill(1);
      return e.constant(tensor);
    };
    const attrs = { axis: -1, epsilon: { float: eps }, stash_type: 1 };
    e.node("SimplifiedLayerNormalization", [x!, weight ?? ones()], outputs, attrs);
  },
  grad({ grads: [g], inputs: [x, weight], outputs: [, inverse], needs }) {
    const r = cast(inverse!, x!.dtype);
    const gw = weight ? mul(g!, weight) : g!;
    // dx = r (gw - x r^2 mean(gw x)): written so that what is large is passed over as seldom as possible.
    const toX = () => mul(sub(gw, mul(x!, mul(mul(r, r), mean(mul(gw, x!), [-1], true)))), r);
    const toWeight = () => sum(mul(g!, mul(x!, r)), g!.shape.map((_, i) => i).slice(0, -1));
    return [needs[0] ? toX() : undefined, needs[1] ? toWeight() : undefined];
  },
});

/** The second output is the divisor max(|x|, eps) [.., 1]. */
export const l2normOp: Op = defineOp<{ eps: number }>({
  name: "l2norm",
  axes: "last",
  infer: ([x]) => [x!, { dtype: x!.dtype, shape: x!.shape.with(-1, 1) }],
  onnx(e, [x], [y, divisor], { eps }, node) {
    const norm = e.fresh();
    const least = Tensor.zeros(node.inputs[0]!.dtype, []);
    least.data[0] = eps;
    e.node("ReduceL2", [x!, e.constant(Tensor.int64([1], [-1]))], [norm], { keepdims: 1 });
    e.node("Max", [norm, e.constant(least)], [divisor!]);
    e.node("Div", [x!, divisor!], [y!]);
  },
  grad({ grads: [g], outputs: [y, divisor], attrs: { eps } }) {
    // Where the divisor is eps it is a constant, and nothing flows through it.
    const along = where(equal(divisor!, scalar(eps, divisor!.dtype)), 0, sum(mul(g!, y!), [-1], true));
    return [div(sub(g!, mul(y!, along)), divisor!)];
  },
});

/** x / sqrt(mean(x^2) + eps) over the last axis (Zhang and Sennrich, arXiv 1910.07467), times a weight if there is one. */
export function rmsNorm(x: Value, weight: Value | undefined, eps: number): Value {
  return apply(rmsNormOp, weight ? [x, weight] : [x], { eps })[0]!;
}

/** x / max(|x|, eps) over the last axis. */
export function l2norm(x: Value, eps: number): Value {
  return apply(l2normOp, [x], { eps })[0]!;
}
