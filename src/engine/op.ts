import type { DType } from "./tensor.js";
import {
  type Axes,
  apply,
  type Emitter,
  type GradientContext,
  type Node,
  type OnnxAttributes,
  type Op,
  type TypeInfo,
  type Value,
} from "./value.js";

/** The declaration of an op with attributes of type `A`. */
export interface OpDefinition<A extends object> {
  readonly name: string;
  /** Default `all`. */
  readonly axes?: Axes | ((inputs: readonly TypeInfo[], attrs: A) => Axes);
  /** The types of the outputs; throws on inputs that do not fit. */
  infer(inputs: readonly TypeInfo[], attrs: A): TypeInfo | readonly TypeInfo[];
  /** An ONNX operator of one node without attributes, or a function that writes the nodes. */
  readonly onnx:
    | string
    | ((e: Emitter, inputs: readonly string[], outputs: readonly string[], attrs: A, node: Node) => void);
  /** The gradient for each input (undefined: none flows), or "none" for an op that is not differentiable. */
  readonly grad: "none" | ((context: GradientContext<A>) => readonly (Value | undefined)[]);
}

/** Registers nothing: it only gives the declaration its form, so an op that is not imported is not bundled. */
export function defineOp<A extends object = object>(definition: OpDefinition<A>): Op {
  const { name, axes = "all", infer, onnx, grad } = definition;
  return {
    name,
    axes: (inputs, attrs) => (typeof axes === "string" ? axes : axes(inputs, attrs as A)),
    infer(inputs, attrs) {
      const types = infer(inputs, attrs as A);
      return Array.isArray(types) ? types : [types as TypeInfo];
    },
    emit(e, node, inputs, outputs) {
      if (typeof onnx === "string") e.node(onnx, inputs, outputs);
      else onnx(e, inputs, outputs, node.attrs as A, node);
    },
    grad: grad as Op["grad"],
  };
}

/** Writes a node with one output; gives its name. */
export function made(e: Emitter, type: string, inputs: readonly string[], attrs?: OnnxAttributes): string {
  const name = e.fresh();
  e.node(type, inputs, [name], attrs);
  return name;
}

/** Applies an op that has one output. */
export function call(op: Op, inputs: readonly Value[], attrs: object = {}): Value {
  return apply(op, inputs, attrs)[0]!;
}

/** An error of a shape rule: the op, what it was given, what it expects. */
export function shapeError(op: string, inputs: readonly TypeInfo[], expected: string): Error {
  return new Error(
    `${op}: got ${inputs.map((t) => `${t.dtype} [${t.shape}]`).join(", ")}; expected ${expected}`,
  );
}

/** The shape of an elementwise result, by NumPy's broadcasting rules. */
export function broadcastShape(op: string, inputs: readonly TypeInfo[]): number[] {
  const rank = Math.max(...inputs.map((t) => t.shape.length));
  return Array.from({ length: rank }, (_, i) => {
    let size = 1;
    for (const { shape } of inputs) {
      const n = shape[shape.length - rank + i] ?? 1;
      if (n !== 1 && size !== 1 && n !== size) throw shapeError(op, inputs, "shapes that broadcast");
      if (n !== 1) size = n;
    }
    return size;
  });
}

/** The one dtype that all inputs must have. */
export function sameDType(op: string, inputs: readonly TypeInfo[]): DType {
  const { dtype } = inputs[0]!;
  if (inputs.some((t) => t.dtype !== dtype)) throw shapeError(op, inputs, "one dtype; cast first");
  return dtype;
}

/** An axis counted from the front; negative ones count from the back. */
export function axisOf(op: string, axis: number, rank: number): number {
  const a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a >= rank) throw new Error(`${op}: axis ${axis} is out of range for rank ${rank}`);
  return a;
}
