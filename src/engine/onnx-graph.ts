import type { Device } from "./device.js";
import { emitWhole } from "./half-nodes.js";
import { constantKey, lower } from "./lower.js";
import { NodeOrder } from "./node-order.js";
import {
  externalTensorProto,
  graphProto,
  modelProto,
  nodeProto,
  tensorProto,
  valueInfoProto,
} from "./onnx-proto.js";
import { reshapeOp, splitOp } from "./ops/shape.js";
import { peakBytes } from "./peak-bytes.js";
import { emitDequantized } from "./quantized-nodes.js";
import { unshapedOutput } from "./sink-reshapes.js";
import {
  type ExternalData,
  type ExternalType,
  rowsOf,
  type StoredBlocks,
  type StoredWeight,
} from "./stored.js";
import type { Tensor } from "./tensor.js";
import {
  constantOp,
  constantTensor,
  type Emitter,
  type Node,
  nodesOf,
  type OnnxAttributes,
  type Subgraph,
  type TypeInfo,
  type Value,
} from "./value.js";
import { webgpuEmit } from "./webgpu-nodes.js";

/** What a graph and all its subgraphs share: names are unique, as ONNX asks, and weights are there once. */
class Model {
  readonly device: Device;
  /** By the name of the value: where weights lie. */
  readonly weights = new Map<string, StoredWeight>();
  /** Initializers that lie in files, encoded. */
  readonly external: Uint8Array[] = [];
  /** The names of nodes that run on the processor, whatever the device. */
  readonly processorNodes: string[] = [];
  readonly #names = new Map<string, string>();
  #next = 0;

  constructor(device: Device) {
    this.device = device;
  }

  fresh(): string {
    return `v${this.#next++}`;
  }

  addExternal(type: ExternalType, data: ExternalData): string {
    const key = `${type.dtype} [${type.shape}] ${data.file} ${data.offset}`;
    let name = this.#names.get(key);
    if (name === undefined) {
      name = this.fresh();
      this.#names.set(key, name);
      this.external.push(externalTensorProto(name, type, data));
    }
    return name;
  }
}

/** Writes the nodes of one graph (or subgraph) from values. */
class GraphWriter implements Emitter {
  readonly #model: Model;
  readonly #nameOf = new Map<Value, string>();
  /** What was written once for several readers, by its key. */
  readonly #shared = new Map<string | Tensor, string>();
  readonly #nodes = new NodeOrder();
  readonly #initializers: Uint8Array[] = [];
  #used = new Set<Value>();
  /** What the nodes are called after. */
  #scope = "";

  constructor(model: Model) {
    this.#model = model;
  }

  get nodeCount(): number {
    return this.#nodes.all().length;
  }

  fresh(): string {
    return this.#model.fresh();
  }

  used(value: Value): boolean {
    return this.#used.has(value);
  }

  node(type: string, inputs: readonly string[], outputs: readonly string[], attrs?: OnnxAttributes): void {
    const read = inputs.map((name) => this.#plain(name));
    this.#nodes.add(nodeProto(type, read, outputs, attrs, this.#nodeName(outputs)));
  }

  processorNode(type: string, inputs: readonly string[], outputs: readonly string[]): void {
    this.#model.processorNodes.push(this.#nodeName(outputs));
    this.node(type, inputs, outputs);
  }

  constant(tensor: Tensor): string {
    return this.once(constantKey(tensor), () => {
      const name = this.fresh();
      this.#initializers.push(tensorProto(name, tensor));
      return name;
    });
  }

  once(key: string | Tensor, make: () => string): string {
    const name = this.#shared.get(key) ?? this.#nodes.read(make);
    this.#shared.set(key, name);
    return name;
  }

  bind(value: Value, name: string): void {
    this.#nameOf.set(value, name);
  }

  external(type: ExternalType, data: ExternalData): string {
    return this.#model.addExternal(type, data);
  }

  /** Gives a value the name of a weight that lies outside of the graph. */
  store(value: Value, weight: StoredWeight): void {
    const plain = !("bits" in weight) && weight.dtype === "f32";
    const name = plain ? this.external(weight, weight) : this.fresh();
    this.#model.weights.set(name, weight);
    this.bind(value, name);
  }

  blocks(name: string): StoredBlocks | undefined {
    const weight = this.#model.weights.get(name);
    return weight && "bits" in weight ? weight : undefined;
  }

  half(name: string): string | undefined {
    const weight = this.#model.weights.get(name);
    return weight && !("bits" in weight) && weight.dtype === "f16"
      ? this.external(weight, weight)
      : undefined;
  }

  subgraph(placeholders: readonly Value[], captured: readonly string[], outputs: readonly Value[]): Subgraph {
    const inner = new GraphWriter(this.#model);
    const own = placeholders.slice(0, placeholders.length - captured.length);
    const inputs = own.map((value) => valueInfoProto(inner.#bindFresh(value), value));
    for (const [i, name] of captured.entries()) inner.bind(placeholders[own.length + i]!, name);
    return { graph: inner.finish(inputs, inner.write(lower(outputs))) };
  }

  /** Emits all nodes that the values need; returns the name and type under which each leaves the graph. */
  write(values: readonly Value[]): { name: string; type: TypeInfo }[] {
    const nodes = nodesOf(values);
    const twice = values.filter((value, i) => values.indexOf(value) < i);
    const read = new Set([...nodes.flatMap((node) => node.inputs), ...twice]);
    this.#used = new Set([...values, ...read]);
    for (const node of nodes) {
      if (node.outputs.every((value) => this.#nameOf.has(value))) continue;
      if (node.op === constantOp) {
        this.bind(node.outputs[0]!, this.constant(constantTensor(node.outputs[0]!)));
        continue;
      }
      if (this.#bindStored(node)) continue;
      this.#scope = node.scope;
      const inputs = node.inputs.map((value) => this.#nameOf.get(value)!);
      const outputs = node.outputs.map((value) => this.#bindFresh(value));
      const emit = (this.#model.device === "webgpu" && webgpuEmit(node)) || node.op.emit;
      const write = () => emit(this, node, inputs, outputs);
      if (node.outputs.some((value) => read.has(value))) write();
      else this.#nodes.result(write);
    }
    // An output has a name of its own, even when it is an input or another output.
    const taken = new Set<string>();
    return values.map((value) => {
      const computed = this.#nameOf.get(value)!;
      const name = value.node.inputs.length > 0 && !taken.has(computed) ? computed : this.fresh();
      taken.add(name);
      if (name !== computed) this.#nodes.result(() => this.node("Identity", [computed], [name]));
      return { name, type: value };
    });
  }

  finish(
    inputs: readonly Uint8Array[],
    outputs: readonly { name: string; type: TypeInfo }[],
    external: readonly Uint8Array[] = [],
  ): Uint8Array {
    return graphProto({
      nodes: this.#nodes.all(),
      initializers: [...this.#initializers, ...external],
      inputs,
      outputs: outputs.map(({ name, type }) => valueInfoProto(name, type)),
    });
  }

  /**
   * Binds what is a stored weight in another shape, or its rows in parts: they lie where the weight lies. As nodes ONNX
   * Runtime would fold them, which copies the weight.
   *
   * @returns whether the node is one of these.
   */
  #bindStored({ op, inputs: [source], outputs, attrs }: Node): boolean {
    const name = source && this.#nameOf.get(source);
    const stored = name === undefined ? undefined : this.#model.weights.get(name);
    if (!source || !stored) return false;
    if (op === reshapeOp && !("bits" in stored)) {
      this.store(outputs[0]!, { ...stored, shape: outputs[0]!.shape });
      return true;
    }
    if (op !== splitOp || (attrs as { axis: number }).axis !== 0) return false;
    let row = 0;
    for (const part of outputs) {
      this.store(part, rowsOf(stored, row, part.shape[0]!));
      row += part.shape[0]!;
    }
    return true;
  }

  /** The name under which a value can be read as it is. */
  #plain(name: string): string {
    const blocks = this.blocks(name);
    const half = this.half(name);
    if (!blocks && !half) return name;
    return this.once(`${name} as f32`, () => {
      const plain = this.fresh();
      this.#nodes.ofWeights(() =>
        blocks ? emitDequantized(this, blocks, plain) : emitWhole(this, half!, plain),
      );
      return plain;
    });
  }

  /** It tells a profile where the node belongs. Values' names are unique, so nodes' are too. */
  #nodeName(outputs: readonly string[]): string {
    return `${this.#scope}#${outputs[0]}`;
  }

  #bindFresh(value: Value): string {
    const name = this.fresh();
    this.bind(value, name);
    return name;
  }
}

/** An ONNX model and the names of its inputs and outputs, in the order in which they were given. */
export interface OnnxModel {
  readonly bytes: Uint8Array;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodeCount: number;
  /** Whether it reads weights in blocks. */
  readonly quantized: boolean;
  /** About what a run takes beside weights and inputs. */
  readonly peakBytes: number;
  /** The names of nodes that run on the processor, whatever the device. */
  readonly processorNodes: readonly string[];
}

/** @throws Error when an op does not treat the rows of its input, all that its last axis is not, apart. */
function requireRows(values: readonly Value[]): void {
  for (const { op, inputs, attrs } of nodesOf(values)) {
    if (inputs.length > 0 && op.axes(inputs, attrs) === "all")
      throw new Error(
        `compile: ${op.name} does not treat rows apart, so that there cannot be any number of them`,
      );
  }
}

/**
 * Writes values as an ONNX model. On the CPU an output may have another shape than its value: the elements are the same.
 * @param inputs leaves that are given at each run.
 * @param external leaves whose data lies in files beside the model.
 * @param device where it is to run: providers differ in what they know.
 * @param anyRows inputs whose first axis has the length that a run gives it; so has that of the outputs then.
 * @throws Error when the values depend on a leaf that is in neither, or when lengths that a run gives matter to an op.
 */
export function writeOnnx(
  outputs: readonly Value[],
  inputs: readonly Value[],
  external: ReadonlyMap<Value, StoredWeight>,
  device: Device = "cpu",
  anyRows: ReadonlySet<Value> = new Set(),
): OnnxModel {
  const model = new Model(device);
  const writer = new GraphWriter(model);
  const lowered = lower(outputs).map((value) => (device === "cpu" ? unshapedOutput(value) : value));
  if (anyRows.size > 0) requireRows(lowered);
  const inputNames = inputs.map((value) => {
    const name = writer.fresh();
    writer.bind(value, name);
    return name;
  });
  for (const [value, weight] of external) writer.store(value, weight);
  const results = writer.write(lowered);
  const freed = ({ dtype, shape }: TypeInfo): TypeInfo => ({ dtype, shape: shape.with(0, -1) });
  const infos = inputs.map((x, i) => valueInfoProto(inputNames[i]!, anyRows.has(x) ? freed(x) : x));
  const found = results.map(({ name, type }) => ({ name, type: anyRows.size > 0 ? freed(type) : type }));
  const bytes = modelProto(writer.finish(infos, found, model.external));
  return {
    bytes,
    inputs: inputNames,
    outputs: results.map(({ name }) => name),
    nodeCount: writer.nodeCount,
    quantized: [...model.weights.values()].some((weight) => "bits" in weight),
    peakBytes: peakBytes(lowered),
    processorNodes: model.processorNodes,
  };
}
