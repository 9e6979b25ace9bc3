import { reshapeOp, transposeOp } from "./ops/shape.js";
import { sameShape } from "./tensor.js";
import type { Node, Value } from "./value.js";

/** What a value is a reshaped form of. */
export const unshaped = (x: Value): Value => (x.node.op === reshapeOp ? unshaped(x.node.inputs[0]!) : x);

/**
 * The same, where a node may read it instead. A reshape behind a transpose stays: without it ONNX Runtime moves the transpose
 * through the ops that follow, to where it has to undo it for some of their readers.
 */
function source(x: Value): Value {
  const plain = unshaped(x);
  return plain.node.op === transposeOp ? x : plain;
}

/**
 * The inputs that a node may have in place of its own: what they are reshaped forms of, where its op does not tell apart
 * the axes that were reshaped. Its results are reshaped instead, and so reshapes move towards the outputs and those that
 * meet become one. A kernel takes as long to start as a small one to run, and models cut heads apart and join them, or make
 * rows of tokens and undo it, around almost every product.
 *
 * @param inputs the node's, lowered.
 * @returns `inputs` themselves where nothing changes.
 */
export function withoutReshapes({ op, attrs, outputs }: Node, inputs: readonly Value[]): readonly Value[] {
  const axes = op.axes(inputs, attrs);
  if (axes === "last") return sameRows(inputs);
  return axes === "none" ? sameElements(inputs, outputs[0]!) : inputs;
}

/** The first input in the shape that it had before, if with the same last axis. */
function sameRows(inputs: readonly Value[]): readonly Value[] {
  const [x, ...others] = inputs as [Value, ...Value[]];
  const plain = source(x);
  return plain !== x && plain.rank > 0 && plain.shape.at(-1) === x.shape.at(-1) ? [plain, ...others] : inputs;
}

/** All inputs but single numbers in the shape that they had before, if it is the same one. */
function sameElements(inputs: readonly Value[], output: Value): readonly Value[] {
  const isNumber = (x: Value) => x.size === 1 && output.size > 1;
  const arrays = inputs.filter((x) => !isNumber(x));
  const sources = arrays.map(source);
  const { shape, rank } = sources[0]!;
  const movable =
    arrays.every(
      (x, i) => x !== sources[i] && sameShape(x.shape, output.shape) && sameShape(sources[i]!.shape, shape),
    ) && inputs.every((x) => !isNumber(x) || x.rank <= rank);
  return movable ? inputs.map((x) => (isNumber(x) ? x : source(x))) : inputs;
}

/**
 * The value that an output is a reshaped form of. ONNX Runtime copies an output that is the same bytes in another shape;
 * who reads the tensor gives it its shape for nothing.
 */
export function unshapedOutput(output: Value): Value {
  const source = unshaped(output);
  return source.node.inputs.length > 0 ? source : output;
}
