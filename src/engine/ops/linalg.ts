import { broadcastShape, call, defineOp, sameDType, shapeError } from "../op.js";
import { Tensor } from "../tensor.js";
import { apply, type Op, type Value } from "../value.js";
import { add, mul, sub } from "./elementwise.js";
import { mean, sum } from "./reduce.js";
import { reshape } from "./shape.js";

interface MatMul {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

const swapped = (shape: readonly number[], swap: boolean): number[] =>
  swap ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : [...shape];

export const matmulOp: Op = defineOp<MatMul>({
  name: "matmul",
  infer(inputs, { transA, transB }) {
    const dtype = sameDType("matmul", inputs);
    const [a, b] = [swapped(inputs[0]!.shape, transA), swapped(inputs[1]!.shape, transB)];
    if (a.length < 2 || b.length < 2 || a.at(-1) !== b.at(-2)) {
      throw shapeError("matmul", inputs, `[.., m, k] x [.., k, n] (transA ${transA}, transB ${transB})`);
    }
    const batch = broadcastShape("matmul", [
      { dtype, shape: a.slice(0, -2) },
      { dtype, shape: b.slice(0, -2) },
    ]);
    return { dtype, shape: [...batch, a.at(-2)!, b.at(-1)!] };
  },
  onnx(e, [a, b], outputs, { transA, transB, alpha }, node) {
    if (!transA && !transB && alpha === 1) return e.node("MatMul", [a!, b!], outputs);
    if (node.outputs[0]!.dtype === "f32") {
      const attrs = { domain: "com.microsoft", transA: +transA, transB: +transB, alpha: { float: alpha } };
      return e.node("FusedMatMul", [a!, b!], outputs, attrs);
    }
    // FusedMatMul knows f32 only; float64 serves the gradient checks, so it may take the long way.
    const operand = (name: string, index: number, swap: boolean): string => {
      if (!swap) return name;
      const rank = node.inputs[index]!.rank;
      const perm = swapped(
        Array.from({ length: rank }, (_, i) => i),
        true,
      );
      const out = e.fresh();
      e.node("Transpose", [name], [out], { perm });
      return out;
    };
    const product = e.fresh();
    e.node("MatMul", [operand(a!, 0, transA), operand(b!, 1, transB)], [product]);
    const scale = new Tensor(node.outputs[0]!.dtype, [], Float64Array.of(alpha));
    e.node("Mul", [product, e.constant(scale)], outputs);
  },
  grad({ grads: [g], inputs: [a, b], attrs: { transA, transB, alpha }, needs }) {
    const toA = () =>
      transA
        ? matmul(b!, g!, { transA: transB, transB: true, alpha })
        : matmul(g!, b!, { transB: !transB, alpha });
    const toB = () =>
      transB
        ? matmul(g!, a!, { transA: true, transB: transA, alpha })
        : matmul(a!, g!, { transA: !transA, alpha });
    return [needs[0] ? toA() : undefined, needs[1] ? toB() : undefined];
  },
});

export const rmsNormOp: Op = defineOp<{ eps: number }>({
  name: "rmsNorm",
  infer(inputs) {
    const [x, weight] = inputs;
    const dtype = sameDType("rmsNorm", inputs);
    if (weight!.shape.length !== 1 || weight!.shape[0] !== x!.shape.at(-1)) {
      throw shapeError("rmsNorm", inputs, "a weight as long as the last axis");
    }
    return [x!, { dtype, shape: x!.shape.with(-1, 1) }];
  },
  onnx: (e, inputs, outputs, { eps }) =>
    e.node("SimplifiedLayerNormalization", inputs, outputs, {
      axis: -1,
      epsilon: { float: eps },
      stash_type: 1,
    }),
  grad({ grads: [g], inputs: [x, weight], outputs: [, inverse], needs }) {
    const normal = mul(x!, inverse!);
    const gw = mul(g!, weight!);
    const toX = () => mul(inverse!, sub(gw, mul(normal, mean(mul(gw, normal), [-1], true))));
    const toWeight = () => sum(mul(g!, normal), g!.shape.map((_, i) => i).slice(0, -1));
    return [needs[0] ? toX() : undefined, needs[1] ? toWeight() : undefined];
  },
});

/** Matrix product over the last two axes, batch axes broadcasting: alpha * op(a) op(b), op transposing on demand. */
export function matmul(a: Value, b: Value, options: Partial<MatMul> = {}): Value {
  return call(matmulOp, [a, b], { transA: false, transB: false, alpha: 1, ...options });
}

/** x [.., in] times a weight [out, in] as Hugging Face stores it, plus bias [out]: [.., out]. */
export function linear(x: Value, weight: Value, bias?: Value): Value {
  const rows = reshape(x, [-1, x.shape.at(-1)!]);
  const y = reshape(matmul(rows, weight, { transB: true }), x.shape.with(-1, weight.shape[0]!));
  return bias ? add(y, bias) : y;
}

/** x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich, arXiv 1910.07467). */
export function rmsNorm(x: Value, weight: Value, eps: number): Value {
  return apply(rmsNormOp, [x, weight], { eps })[0]!;
}
