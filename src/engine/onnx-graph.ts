import { constantKey, lower } from "./lower.js";
import {
  type ExternalData,
  externalTensorProto,
  graphProto,
  modelProto,
  nodeProto,
  tensorProto,
  valueInfoProto,
} from "./onnx-proto.js";
import type { Tensor } from "./tensor.js";
import {
  constantOp,
  constantTensor,
  type Emitter,
  nodesOf,
  type OnnxAttributes,
  type Subgraph,
  type TypeInfo,
  type Value,
} from "./value.js";

/** Names are unique over the graph and all its subgraphs, as ONNX asks. */
class Names {
  #next = 0;
  fresh(): string {
    return `v${this.#next++}`;
  }
}

/** Writes the nodes of one graph (or subgraph) from values. */
class GraphWriter implements Emitter {
  readonly #names: Names;
  readonly #nameOf = new Map<Value, string>();
  readonly #constants = new Map<string | Tensor, string>();
  readonly #nodes: Uint8Array[] = [];
  readonly #initializers: Uint8Array[] = [];
  #used = new Set<Value>();

  constructor(names: Names) {
    this.#names = names;
  }

  get nodeCount(): number {
    return this.#nodes.length;
  }

  fresh(): string {
    return this.#names.fresh();
  }

  used(value: Value): boolean {
    return this.#used.has(value);
  }

  node(type: string, inputs: readonly string[], outputs: readonly string[], attrs?: OnnxAttributes): void {
    this.#nodes.push(nodeProto(type, inputs, outputs, attrs));
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

  external(name: string, type: TypeInfo, data: ExternalData): void {
    this.#initializers.push(externalTensorProto(name, type, data));
  }

  subgraph(placeholders: readonly Value[], captured: readonly string[], outputs: readonly Value[]): Subgraph {
    const inner = new GraphWriter(this.#names);
    const own = placeholders.slice(0, placeholders.length - captured.length);
    const inputs = own.map((value) => valueInfoProto(inner.#bindFresh(value), value));
    for (const [i, name] of captured.entries()) inner.bind(placeholders[own.length + i]!, name);
    return { graph: inner.finish(inputs, inner.write(lower(outputs))) };
  }

  /** Emits all nodes that the values need; returns the name and type under which each leaves the graph. */
  write(values: readonly Value[]): { name: string; type: TypeInfo }[] {
    const nodes = nodesOf(values);
    this.#used = new Set([...values, ...nodes.flatMap((node) => node.inputs)]);
    for (const node of nodes) {
      if (node.outputs.every((value) => this.#nameOf.has(value))) continue;
      if (node.op === constantOp) {
        this.bind(node.outputs[0]!, this.constant(constantTensor(node.outputs[0]!)));
        continue;
      }
      const inputs = node.inputs.map((value) => this.#nameOf.get(value)!);
      node.op.emit(
        this,
        node,
        inputs,
        node.outputs.map((value) => this.#bindFresh(value)),
      );
    }
    // An output has a name of its own, even when it is an input or another output.
    const taken = new Set<string>();
    return values.map((value) => {
      const computed = this.#nameOf.get(value)!;
      const name = value.node.inputs.length > 0 && !taken.has(computed) ? computed : this.fresh();
      taken.add(name);
      if (name !== computed) this.node("Identity", [computed], [name]);
      return { name, type: value };
    });
  }

  finish(inputs: readonly Uint8Array[], outputs: readonly { name: string; type: TypeInfo }[]): Uint8Array {
    return graphProto({
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs,
      outputs: outputs.map(({ name, type }) => valueInfoProto(name, type)),
    });
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
}

/**
 * Writes values as an ONNX model.
 * @param inputs leaves that are given at each run.
 * @param external leaves whose data lies in files beside the model.
 * @throws Error when the values depend on a leaf that is in neither.
 */
export function writeOnnx(
  outputs: readonly Value[],
  inputs: readonly Value[],
  external: ReadonlyMap<Value, ExternalData>,
): OnnxModel {
  const writer = new GraphWriter(new Names());
  const lowered = lower(outputs);
  const inputNames = inputs.map((value) => {
    const name = writer.fresh();
    writer.bind(value, name);
    return name;
  });
  for (const [value, data] of external) {
    const name = writer.fresh();
    writer.bind(value, name);
    writer.external(name, value, data);
  }
  const results = writer.write(lowered);
  const infos = inputs.map((value, i) => valueInfoProto(inputNames[i]!, value));
  const bytes = modelProto(writer.finish(infos, results));
  return { bytes, inputs: inputNames, outputs: results.map(({ name }) => name), nodeCount: writer.nodeCount };
}
