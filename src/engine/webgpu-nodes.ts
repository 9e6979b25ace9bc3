import { made } from "./op.js";
import { cosOp, sinOp } from "./ops/elementwise.js";
import { emitProduct, type MatMul, matmulOp } from "./ops/linalg.js";
import { rmsNormOp } from "./ops/norm.js";
import { splitOp, transposeOp } from "./ops/shape.js";
import { Tensor } from "./tensor.js";
import type { Emitter, Node, Op, Value } from "./value.js";

/** The provider has no FusedMatMul: weights are read as they lie by Gemm, stacks of matrices are turned first. */
const matmulNodes: Op["emit"] = (e, node, inputs, outputs) => {
  if (e.blocks(inputs[1]!)) {
    matmulOp.emit(e, node, inputs, outputs);
    return;
  }
  const { transA, transB, alpha } = node.attrs as MatMul;
  const matrices = node.inputs.every((x) => x.rank === 2);
  const operand = (name: string, { rank }: Value, swap: boolean): string => {
    const axes = Array.from({ length: rank - 2 }, (_, axis) => axis);
    return swap ? made(e, "Transpose", [name], { perm: [...axes, rank - 1, rank - 2] }) : name;
  };
  emitProduct(e, inputs, outputs[0]!, node.attrs as MatMul, (a, b, y) => {
    if (matrices) {
      e.node("Gemm", [a, b], [y], { transA: +transA, transB: +transB, alpha: { float: alpha } });
      return;
    }
    const factors = [operand(a, node.inputs[0]!, transA), operand(b, node.inputs[1]!, transB)];
    if (alpha === 1) e.node("MatMul", factors, [y]);
    else e.node("Mul", [made(e, "MatMul", factors), e.constant(Tensor.scalar(alpha))], [y]);
  });
};

/** The provider's SimplifiedLayerNormalization gives the mean where the inverse of the root mean square belongs. */
const rmsNormNodes: Op["emit"] = (e, node, inputs, [y, inverse]) => {
  rmsNormOp.emit(e, node, inputs, [y!]);
  if (!e.used(node.outputs[1]!)) return;
  const { eps } = node.attrs as { eps: number };
  const square = made(e, "Mul", [inputs[0]!, inputs[0]!]);
  const mean = made(e, "ReduceMean", [square, e.constant(Tensor.int64([1], [-1]))], { keepdims: 1 });
  const root = made(e, "Sqrt", [made(e, "Add", [mean, e.constant(Tensor.scalar(eps))])]);
  e.node("Reciprocal", [root], [inverse!]);
};

/** A shader may use 8 buffers on every device; one is the input's. */
const mostParts = 7;

/** Many parts are cut in groups first. */
function splitNodes(
  e: Emitter,
  x: string,
  axis: number,
  sizes: readonly number[],
  outputs: readonly string[],
): void {
  const step = Math.ceil(sizes.length / mostParts);
  const groups = Array.from({ length: Math.ceil(sizes.length / step) }, (_, i) => {
    const [from, to] = [i * step, (i + 1) * step];
    return { sizes: sizes.slice(from, to), outputs: outputs.slice(from, to) };
  });
  const totals = groups.map((group) => group.sizes.reduce((a, b) => a + b));
  const names = groups.map((group) => (group.sizes.length === 1 ? group.outputs[0]! : e.fresh()));
  e.node("Split", [x, e.constant(Tensor.int64([totals.length], totals))], names, { axis });
  for (const [i, group] of groups.entries())
    if (group.sizes.length > 1) splitNodes(e, names[i]!, axis, group.sizes, group.outputs);
}

/** WebGPU promises nothing of sines and cosines beyond one turn: tables of positions are made by the processor. */
const byProcessor =
  (type: string): Op["emit"] =>
  (e, _, inputs, outputs) =>
    e.processorNode(type, inputs, outputs);

const nodes = new Map<Op, Op["emit"]>([
  [matmulOp, matmulNodes],
  [rmsNormOp, rmsNormNodes],
  [
    splitOp,
    (e, { attrs }, [x], outputs) => {
      const { axis, sizes } = attrs as { axis: number; sizes: readonly number[] };
      splitNodes(e, x!, axis, sizes, outputs);
    },
  ],
  [transposeOp, (e, { attrs }, inputs, outputs) => e.node("Transpose", inputs, outputs, { ...attrs })],
  [cosOp, byProcessor("Cos")],
  [sinOp, byProcessor("Sin")],
]);

/** How an f32 op is written for ONNX Runtime's WebGPU provider, where that differs from all others. */
export function webgpuEmit(node: Node): Op["emit"] | undefined {
  return node.outputs[0]!.dtype === "f32" ? nodes.get(node.op) : undefined;
}
