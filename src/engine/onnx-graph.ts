import type { Device } from "./device.js";
import { constantKey, lower } from "./lower.js";
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
import { unshaped } from "./sink-reshapes.js";
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
  /** Weights in blocks that are read as f32 in this graph. */
  readonly #dequantized = new Map<string, string>();
  readonly #constants = new Map<string | Tensor, string>();
  /*
   * ONNX Runtime walks back from the nodes that nothing reads, and from a node to those that it reads; of several it runs first
   * what is written last. So that values do not wait in memory, weights that are read as f32 are written first and run
   * right before they are needed, and what nothing reads is written last and backwards, and runs in the order of the trace.
   */
  readonly #first: Uint8Array[] = [];
  #nodes: Uint8Array[] = [];
  readonly #last: Uint8Array[] = [];
  readonly #initializers: Uint8Array[] = [];
  #used = new Set<Value>();
  /** What the nodes are called after. */
  #scope = "";

  constructor(model: Model) {
    this.#model = model;
  }

  get nodeCount(): number {
    return this.#first.length + this.#nodes.length + this.#last.length;
  }

  fresh(): string {
    return this.#model.fresh();
  }

  used(value: Value): boolean {
    return this.#used.has(value);
  }

  node(type: string, inputs: readonly string[], outputs: readonly string[], attrs?: OnnxAttributes): void {
    const read = inputs.map((name) => this.#plain(name));
    this.#nodes.push(nodeProto(type, read, outputs, attrs, this.#nodeName(outputs)));
  }

  processorNode(type: string, inputs: readonly string[], outputs: readonly string[]): void {
    this.#model.processorNodes.push(this.#nodeName(outputs));
    this.node(type, inputs, outputs);
  }

  constant(tensor: Tensor): string {
    const key = constantKey(tensor);
    let name = this.#constants.get(key);
    if (name === undefined) {
      name = this.fresh();
      this.#constants.set(key, name);
      this.#initializers.push(tensorProto(name, tensor));
    }
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
    const name = "bits" in weight ? this.fresh() : this.external(value, weight);
    this.#model.weights.set(name, weight);
    this.bind(value, name);
  }

  blocks(name: string): StoredBlocks | undefined {
    const weight = this.#model.weights.get(name);
    return weight && "bits" in weight ? weight : undefined;
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
    const read = new Set(nodes.flatMap((node) => node.inputs));
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
      const before = this.#nodes.length;
      emit(this, node, inputs, outputs);
      if (!node.outputs.some((value) => read.has(value))) this.#last.unshift(...this.#nodes.splice(before));
    }
    // An output has a name of its own, even when it is an input or another output.
    const taken = new Set<string>();
    return values.map((value) => {
      const computed = this.#nameOf.get(value)!;
      const name = value.node.inputs.length > 0 && !taken.has(computed) ? computed : this.fresh();
      taken.add(name);
      if (name !== computed) {
        this.node("Identity", [computed], [name]);
        this.#last.push(this.#nodes.pop()!);
      }
      return { name, type: value };
    });
  }

  finish(
    inputs: readonly Uint8Array[],
    outputs: readonly { name: string; type: TypeInfo }[],
    external: readonly Uint8Array[] = [],
  ): Uint8Array {
    return graphProto({
      nodes: [...this.#first, ...this.#nodes, ...this.#last],
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
      this.store(outputs[0]!, stored);
      return true;
    }
    if (op !== splitOp || (attrs as { axis: number }).axis !== 0) return false;
    let row = 0;
    for (const part of outputs) {
      this.store(part, rowsOf(stored, source.shape[0]!, row, part.shape[0]!));
      row += part.shape[0]!;
    }
    return true;
  }

  /** The name under which a value can be read as it is. */
  #plain(name: string): string {
    const blocks = this.blocks(name);
    if (!blocks) return name;
    let plain = this.#dequantized.get(name);
    if (plain === undefined) {
      plain = this.fresh();
      this.#dequantized.set(name, plain);
      const nodes = this.#nodes;
      this.#nodes = this.#first;
      emitDequantized(this, blocks, plain);
      this.#nodes = nodes;
    }
    return plain;
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

/**
 * The value that an output is a reshaped form of. ONNX Runtime copies an output that is the same bytes in another shape;
 * who reads the tensor gives it its shape for nothing.
 */
function withoutReshape(output: Value): Value {
  const source = unshaped(output);
  return source.node.inputs.length > 0 ? source : output;
}

/**
 * Writes values as an ONNX model. On the CPU an output may have another shape than its value: the elements are the same.
 * @param inputs leaves that are given at each run.
 * @param external leaves whose data lies in files beside the model.
 * @param device where it is to run: providers differ in what they know.
 * @throws Error when the values depend on a leaf that is in neither.
 */
export function writeOnnx(
  outputs: readonly Value[],
  inputs: readonly Value[],
  external: ReadonlyMap<Value, StoredWeight>,
  device: Device = "cpu",
): OnnxModel {
  const model = new Model(device);
  const writer = new GraphWriter(model);
  const lowered = lower(outputs).map((value) => (device === "cpu" ? withoutReshape(value) : value));
  const inputNames = inputs.map((value) => {
    const name = writer.fresh();
    writer.bind(value, name);
    return name;
  });
  for (const [value, weight] of external) writer.store(value, weight);
  const results = writer.write(lowered);
  const infos = inputs.map((value, i) => valueInfoProto(inputNames[i]!, value));
  const bytes = modelProto(writer.finish(infos, results, model.external));
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
