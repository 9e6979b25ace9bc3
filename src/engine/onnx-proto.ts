import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { ExternalData, ExternalType, StoredType } from "./stored.js";
import type { Tensor } from "./tensor.js";
import type { OnnxAttribute, OnnxAttributes, TypeInfo } from "./value.js";

/*
 * The messages of onnx.proto (ONNX IR version 10) that we write, by field number. Each function returns one encoded
 * message. https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

/** TensorProto.DataType. */
export const elementType: Readonly<Record<StoredType, number>> = {
  f32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  f16: 10,
  f64: 11,
  bf16: 16,
  uint4: 21,
};

const message = (writer: BinaryWriter, field: number, bytes: Uint8Array) =>
  writer.tag(field, WireType.LengthDelimited).bytes(bytes);
const text = (writer: BinaryWriter, field: number, value: string) =>
  writer.tag(field, WireType.LengthDelimited).string(value);
const whole = (writer: BinaryWriter, field: number, value: number) =>
  writer.tag(field, WireType.Varint).int64(value);

function attribute(name: string, value: OnnxAttribute): Uint8Array {
  const w = new BinaryWriter();
  text(w, 1, name);
  const type = (n: number) => whole(w, 20, n);
  if (typeof value === "number") {
    whole(w, 3, value);
    type(2);
  } else if (typeof value === "string") {
    text(w, 4, value);
    type(3);
  } else if ("float" in value) {
    w.tag(2, WireType.Bit32).float(value.float);
    type(1);
  } else if ("graph" in value) {
    message(w, 6, value.graph);
    type(5);
  } else {
    for (const n of value) whole(w, 8, n);
    type(7);
  }
  return w.finish();
}

/** A NodeProto. The attribute `domain` names the operator set. */
export function nodeProto(
  type: string,
  inputs: readonly string[],
  outputs: readonly string[],
  { domain, ...attrs }: OnnxAttributes = {},
  name = "",
): Uint8Array {
  const w = new BinaryWriter();
  for (const name of inputs) text(w, 1, name);
  for (const name of outputs) text(w, 2, name);
  text(w, 3, name);
  text(w, 4, type);
  for (const [name, value] of Object.entries(attrs)) message(w, 5, attribute(name, value));
  if (typeof domain === "string") text(w, 7, domain);
  return w.finish();
}

/** A TensorProto with its data inside. */
export function tensorProto(name: string, tensor: Tensor): Uint8Array {
  const w = new BinaryWriter();
  for (const n of tensor.shape) whole(w, 1, n);
  whole(w, 2, elementType[tensor.dtype]);
  text(w, 8, name);
  const { buffer, byteOffset, byteLength } = tensor.data;
  message(w, 9, new Uint8Array(buffer, byteOffset, byteLength));
  return w.finish();
}

/** A TensorProto whose data lies in a file. */
export function externalTensorProto(
  name: string,
  { dtype, shape }: ExternalType,
  data: ExternalData,
): Uint8Array {
  const w = new BinaryWriter();
  for (const n of shape) whole(w, 1, n);
  whole(w, 2, elementType[dtype]);
  text(w, 8, name);
  const entries = { location: data.file, offset: String(data.offset), length: String(data.byteLength) };
  for (const [key, value] of Object.entries(entries)) {
    const entry = new BinaryWriter();
    text(entry, 1, key);
    text(entry, 2, value);
    message(w, 13, entry.finish());
  }
  whole(w, 14, 1);
  return w.finish();
}

/** A ValueInfoProto: the name and type of an input or output. A size of -1 is one that only a run tells. */
export function valueInfoProto(name: string, { dtype, shape }: TypeInfo): Uint8Array {
  const dims = new BinaryWriter();
  for (const n of shape) {
    const size = new BinaryWriter();
    message(dims, 1, (n < 0 ? size : whole(size, 1, n)).finish());
  }
  const tensorType = whole(new BinaryWriter(), 1, elementType[dtype]);
  message(tensorType, 2, dims.finish());
  const w = new BinaryWriter();
  text(w, 1, name);
  message(w, 2, message(new BinaryWriter(), 1, tensorType.finish()).finish());
  return w.finish();
}

/** The parts of a GraphProto, each already encoded. */
export interface GraphParts {
  readonly nodes: readonly Uint8Array[];
  readonly initializers: readonly Uint8Array[];
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

/** A GraphProto. */
export function graphProto({ nodes, initializers, inputs, outputs }: GraphParts): Uint8Array {
  const w = new BinaryWriter();
  for (const bytes of nodes) message(w, 1, bytes);
  text(w, 2, "graph");
  for (const bytes of initializers) message(w, 5, bytes);
  for (const bytes of inputs) message(w, 11, bytes);
  for (const bytes of outputs) message(w, 12, bytes);
  return w.finish();
}

/** A ModelProto over the standard operators (opset 21) and ONNX Runtime's own. */
export function modelProto(graph: Uint8Array): Uint8Array {
  const w = new BinaryWriter();
  whole(w, 1, 10);
  text(w, 2, "tptt");
  message(w, 7, graph);
  for (const [domain, version] of [
    ["", 21],
    ["com.microsoft", 1],
  ] as const) {
    const opset = new BinaryWriter();
    text(opset, 1, domain);
    whole(opset, 2, version);
    message(w, 8, opset.finish());
  }
  return w.finish();
}
