import { emitHalfProduct } from "../half-nodes.js";
import { broadcastShape, call, defineOp, sameDType, shapeError } from "../op.js";
import { emitBlockMatMul } from "../quantized-nodes.js";
import type { Emitter, Op, Value } from "../value.js";
import { add } from "./elementwise.js";
import { reshape } from "./shape.js";

/** What {@link matmul} does beside the product: alpha a b, of a or b with its last two axes exchanged. */
export interface MatMul {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

const swapped = (shape: readonly number[], swap: boolean): number[] =>
  swap ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : [...shape];

/** Writes a product with the node that `product` writes for two factors: of half precision where the second is stored in it. */
export function emitProduct(
  e: Emitter,
  [a, b]: readonly string[],
  output: string,
  { transA, alpha }: MatMul,
  product: (a: string, b: string, output: string) => void,
): void {
  const half = transA || alpha !== 1 ? undefined : e.half(b!);
  if (half) emitHalfProduct(e, a!, output, (rows, result) => product(rows, half, result));
  else product(a!, b!, output);
}

export const matmulOp: Op = defineOp<MatMul>({
  name: "matmul",
  axes: ([, b], { transA }) => (!transA && b!.shape.length === 2 ? "last" : "all"),
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
  onnx(e, inputs, outputs, options) {
    const { transA, transB, alpha } = options;
    const blocks = transB && !transA && alpha === 1 ? e.blocks(inputs[1]!) : undefined;
    if (blocks) return emitBlockMatMul(e, inputs[0]!, blocks, outputs[0]!);
    const attrs = { domain: "com.microsoft", transA: +transA, transB: +transB, alpha: { float: alpha } };
    const plain = !transA && !transB && alpha === 1;
    emitProduct(e, inputs, outputs[0]!, options, (a, b, y) =>
      plain ? e.node("MatMul", [a, b], [y]) : e.node("FusedMatMul", [a, b], [y], attrs),
    );
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
