import type * as Ort from "onnxruntime-common";
import type { OnnxModel } from "./onnx-graph.js";
import type { CreateSessionOptions, Session } from "./runtime.js";
import { type DeviceBuffer, type DType, Tensor, type TensorData } from "./tensor.js";

const ortType = {
  f32: "float32",
  f64: "float64",
  f16: "float16",
  int32: "int32",
  int64: "int64",
  uint8: "uint8",
  int8: "int8",
  bool: "bool",
} as const satisfies Partial<Record<DType, Ort.Tensor.Type>>;

const dtypeOf = new Map(Object.entries(ortType).map(([dtype, type]) => [type as string, dtype as DType]));

/** Options that both runtimes give: see docs/decisions for the measurements. */
export const commonOptions: Ort.InferenceSession.SessionOptions = {
  // `basic` creates a session fastest and runs as fast as `all`.
  graphOptimizationLevel: "basic",
  // It lays out all of a run's memory at once: a third of the peak.
  enableMemPattern: false,
  // Warnings are of use to nobody who reads this program's output, and what goes wrong is thrown.
  logSeverityLevel: 4,
};

/** Options that say where a model runs. What a provider does not know runs on the CPU. */
export function providerOptions(
  { processorNodes }: OnnxModel,
  { device = "cpu", kept }: CreateSessionOptions,
): Ort.InferenceSession.SessionOptions {
  if (device === "cpu") return {};
  if (device === "cuda") return { executionProviders: ["cuda"] };
  // ONNX Runtime refuses empty lists.
  return {
    executionProviders: [
      { name: "webgpu", ...(processorNodes.length > 0 ? { forceCpuNodeNames: processorNodes } : {}) },
    ],
    ...(kept.length > 0
      ? { preferredOutputLocation: Object.fromEntries(kept.map((name) => [name, "gpu-buffer"])) }
      : {}),
  };
}

/** What a session keeps for itself so that runs are faster. */
export const keptOptions = (
  { quantized, peakBytes }: OnnxModel,
  { takesTurns = false }: CreateSessionOptions,
): Ort.InferenceSession.SessionOptions => ({
  // An arena keeps freed memory for later runs, which is nothing where a run takes little: a tenth of the time of a token.
  enableCpuMemArena: peakBytes < 2 ** 25,
  extra: {
    session: {
      // A prepacked weight is a copy of it in every session; without, all sessions read the same pages. But products of blocks
      // are only fast when they are packed, and then the pages are let go of.
      disable_prepacking: quantized ? "0" : "1",
      // Every session has threads of its own. They wait for the next run by spinning, on the cores that another session needs.
      force_spinning_stop: takesTurns ? "1" : "0",
    },
  },
});

/** Wraps a session of ONNX Runtime, whichever package it comes from. */
export function wrapSession(
  ort: Pick<typeof Ort, "Tensor">,
  session: Ort.InferenceSession,
  model: OnnxModel,
): Session {
  // `compile` lets no bf16 through.
  const toOrt = (tensor: Tensor): Ort.Tensor =>
    (tensor.deviceBuffer as Ort.Tensor | undefined) ??
    new ort.Tensor(
      ortType[tensor.dtype as keyof typeof ortType],
      tensor.data as Ort.Tensor.DataType,
      tensor.shape,
    );
  const fromOrt = (tensor: Ort.Tensor): Tensor => {
    if (tensor.location === "gpu-buffer")
      return new Tensor(dtypeOf.get(tensor.type)!, tensor.dims, tensor satisfies DeviceBuffer);
    const { buffer, byteOffset, length } = tensor.data as TensorData;
    // Engines that know Float16Array get one: the same bits.
    const data = tensor.type === "float16" ? new Uint16Array(buffer, byteOffset, length) : tensor.data;
    return new Tensor(dtypeOf.get(tensor.type)!, tensor.dims, data as TensorData);
  };
  return {
    async run(inputs) {
      const feeds = Object.fromEntries(model.inputs.map((name, i) => [name, toOrt(inputs[i]!)]));
      const results = await session.run(feeds, model.outputs);
      return model.outputs.map((name) => fromOrt(results[name]!));
    },
    release: () => session.release(),
  };
}
