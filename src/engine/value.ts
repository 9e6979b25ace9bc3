import type { ExternalData, ExternalType, StoredBlocks } from "./stored.js";
import { type DType, sizeOf, Tensor } from "./tensor.js";

/** What is known of a value before anything runs: every shape is static. */
export interface TypeInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** One application of an op. Nodes are numbered as they are made, so inputs always have lower numbers. */
export interface Node {
  readonly id: number;
  readonly op: Op;
  readonly inputs: readonly Value[];
  readonly attrs: object;
  readonly outputs: readonly Value[];
  /** Where it was made, such as `layers.3/memory`; see {@link scoped}. */
  readonly scope: string;
}

/** What the gradient rule of an op is given. */
export interface GradientContext<A> {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attrs: A;
  /** The gradient of each output; zeros where nothing flowed back. */
  readonly grads: readonly Value[];
  /** Which inputs' gradients will be used. */
  readonly needs: readonly boolean[];
}

/** Writes ONNX nodes; see {@link OnnxGraph}. */
export interface Emitter {
  /** A node that reads a weight by its name gets it as f32, however it is stored. */
  node(type: string, inputs: readonly string[], outputs: readonly string[], attrs?: OnnxAttributes): void;
  /** The same for a node that runs on the processor, whatever the device. */
  processorNode(type: string, inputs: readonly string[], outputs: readonly string[]): void;
  /** The name of a constant with this content. */
  constant(tensor: Tensor): string;
  /** The name of an initializer whose data lies in a file beside the model. */
  external(type: ExternalType, data: ExternalData): string;
  /** How a weight is stored, if in blocks: an op that can read them does so, and leaves the name unread. */
  blocks(name: string): StoredBlocks | undefined;
  /** The name by which a weight that is stored in half precision is read as it is; undefined for all others. */
  half(name: string): string | undefined;
  /** The name that `make` writes for what this key stands for, written once in this graph. */
  once(key: string, make: () => string): string;
  /** A name that nothing else has. */
  fresh(): string;
  /** True when something reads this value. */
  used(value: Value): boolean;
  /** A graph of its own: the last placeholders are read from this graph by name, those before become its inputs. */
  subgraph(placeholders: readonly Value[], captured: readonly string[], outputs: readonly Value[]): Subgraph;
}

/** Attributes of an ONNX node: `domain` names another operator set. Whole numbers are ints; floats are `{ float }`. */
export type OnnxAttribute = number | string | readonly number[] | { readonly float: number } | Subgraph;
export interface OnnxAttributes {
  readonly [name: string]: OnnxAttribute;
}
/** An encoded ONNX GraphProto. */
export interface Subgraph {
  readonly graph: Uint8Array;
}

/** A traced function: its outputs as values of its placeholders. */
export interface Body {
  readonly placeholders: readonly Value[];
  readonly outputs: readonly Value[];
}

/**
 * Which axes of its first input an op tells apart: `none` works on elements that lie in the same places, `last` on the last
 * axis, whatever the shape of those before it.
 */
export type Axes = "none" | "last" | "all";

/**
 * An operation, declared once: what type it gives, how ONNX computes it, what its gradient is. `grad` returns values
 * (so a gradient is ordinary graph), one for each input; the walker in autodiff.ts sums them over broadcast axes.
 */
export interface Op {
  readonly name: string;
  /** Which axes it tells apart. */
  axes(inputs: readonly TypeInfo[], attrs: object): Axes;
  infer(inputs: readonly TypeInfo[], attrs: object): readonly TypeInfo[];
  emit(e: Emitter, node: Node, inputs: readonly string[], outputs: readonly string[]): void;
  readonly grad: "none" | ((context: GradientContext<object>) => readonly (Value | undefined)[]);
}

let nextId = 0;
let scope = "";

/** Names the part of a model whose nodes a function makes, inside of the part that is named already: profiles tell it. */
export const scoped = <T>(name: string, fn: () => T): T => withScope(scope ? `${scope}/${name}` : name, fn);

/** Runs a function whose nodes belong to the same part of the model as those of `name`. */
export function withScope<T>(name: string, fn: () => T): T {
  const outer = scope;
  scope = name;
  try {
    return fn();
  } finally {
    scope = outer;
  }
}

/** A symbolic array: one output of an op that was applied. Immutable, and only a description; `compile` runs it. */
export class Value implements TypeInfo {
  /** @internal What it is an output of. */
  readonly node: Node;
  /** @internal Which output. */
  readonly index: number;
  readonly dtype: DType;
  readonly shape: readonly number[];

  /** @internal */
  constructor(node: Node, index: number, type: TypeInfo) {
    this.node = node;
    this.index = index;
    this.dtype = type.dtype;
    this.shape = type.shape;
  }

  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }
}

/** Applies an op; the types of the outputs come from its shape rule. */
export function apply(op: Op, inputs: readonly Value[], attrs: object): readonly Value[] {
  const outputs: Value[] = [];
  const node: Node = { id: nextId++, op, inputs, attrs, outputs, scope };
  for (const [index, type] of op.infer(inputs, attrs).entries()) outputs.push(new Value(node, index, type));
  return outputs;
}

function leaf(name: string): Op {
  return {
    name,
    axes: () => "all",
    infer: (_, attrs) => [attrs as TypeInfo],
    emit: () => {
      throw new Error(`${name}: a leaf is bound by the compiler, not emitted`);
    },
    grad: "none",
  };
}

export const inputOp: Op = leaf("input");
export const parameterOp: Op = leaf("parameter");
export const constantOp: Op = leaf("constant");

/** A value that is given at each run, or a placeholder of a body. */
export function input(dtype: DType, shape: readonly number[]): Value {
  return apply(inputOp, [], { dtype, shape })[0]!;
}

/** A value fixed at compile time. */
export function constant(tensor: Tensor): Value {
  return apply(constantOp, [], { dtype: tensor.dtype, shape: tensor.shape, tensor })[0]!;
}

/** A scalar constant. */
export function scalar(value: number, dtype: DType = "f32"): Value {
  const tensor = Tensor.zeros(dtype, []);
  tensor.data[0] = dtype === "int64" ? BigInt(value) : (value as never);
  return constant(tensor);
}

/** The tensor of a constant. */
export function constantTensor(value: Value): Tensor {
  return (value.node.attrs as { tensor: Tensor }).tensor;
}

/**
 * A weight of a model: a leaf with a name. Its name is its path in the model (the Hugging Face checkpoint's name), so
 * that weights load without a mapping table. A trainable parameter is an input of the graph and has a gradient; a
 * frozen one lives outside the graph, in a {@link FrozenWeights}.
 */
export class Parameter extends Value {
  /** The checkpoint's name, such as `model.layers.0.self_attn.q_proj.weight`; set once the whole model is built. */
  name = "";
  trainable = false;

  constructor(dtype: DType, shape: readonly number[]) {
    const outputs: Value[] = [];
    super({ id: nextId++, op: parameterOp, inputs: [], attrs: {}, outputs, scope: "" }, 0, { dtype, shape });
    outputs.push(this);
  }
}

/** A parameter of this shape, f32. */
export function parameter(...shape: number[]): Parameter {
  return new Parameter("f32", shape);
}

/** All nodes that these values depend on, inputs before users; those made before node `since` are left out. */
export function nodesOf(values: readonly Value[], since = 0): Node[] {
  const seen = new Set<Node>();
  const stack = values.map((value) => value.node);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.id < since || seen.has(node)) continue;
    seen.add(node);
    for (const value of node.inputs) if (!seen.has(value.node)) stack.push(value.node);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/** The number of the oldest node among these values: nothing that depends on them is older. */
export function oldest(values: Iterable<Value>): number {
  let id = Number.POSITIVE_INFINITY;
  for (const value of values) id = Math.min(id, value.node.id);
  return id;
}

/** Rebuilds values with some of the values that they depend on replaced. What does not change is shared. */
export function substitute(values: readonly Value[], replacements: ReadonlyMap<Value, Value>): Value[] {
  const changed = new Map(replacements);
  for (const node of nodesOf(values, oldest(replacements.keys()))) {
    if (!node.inputs.some((value) => changed.has(value))) continue;
    const inputs = node.inputs.map((value) => changed.get(value) ?? value);
    const outputs = withScope(node.scope, () => apply(node.op, inputs, node.attrs));
    for (const [i, output] of node.outputs.entries())
      if (!changed.has(output)) changed.set(output, outputs[i]!);
  }
  return values.map((value) => changed.get(value) ?? value);
}

/**
 * Closes a traced function over what it reads from outside: returns a body whose placeholders are `placeholders`
 * followed by one for each captured value, and the captured values.
 */
export function close(
  placeholders: readonly Value[],
  outputs: readonly Value[],
): { body: Body; captured: Value[] } {
  const inside = new Set<Value>(placeholders);
  const captured = new Set<Value>();
  const nodes = nodesOf(outputs, oldest(placeholders));
  for (const node of nodes) {
    if (node.inputs.some((value) => inside.has(value))) for (const value of node.outputs) inside.add(value);
  }
  const capture = (value: Value) => {
    if (!inside.has(value) && value.node.op !== constantOp) captured.add(value);
  };
  for (const node of nodes) if (node.outputs.some((value) => inside.has(value))) node.inputs.forEach(capture);
  outputs.forEach(capture);
  const outer = [...captured];
  const inner = outer.map((value) => input(value.dtype, value.shape));
  const closed = substitute(outputs, new Map(outer.map((value, i) => [value, inner[i]!])));
  return { body: { placeholders: [...placeholders, ...inner], outputs: closed }, captured: outer };
}
