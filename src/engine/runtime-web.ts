import * as ort from "onnxruntime-web";
import { commonOptions, keptOptions, providerOptions, wrapSession } from "./ort-session.js";
import type { Runtime, WeightStorage } from "./runtime.js";
import type { ExternalData } from "./stored.js";

/** Weights in memory, one buffer each. */
class BufferStorage implements WeightStorage {
  readonly buffers: Uint8Array[] = [];

  reserve(byteLength: number): ExternalData {
    this.buffers.push(new Uint8Array(byteLength));
    return { file: `weight-${this.buffers.length - 1}`, offset: 0, byteLength };
  }

  async write(place: ExternalData, at: number, bytes: Uint8Array): Promise<void> {
    this.#bufferOf(place).set(bytes, at);
  }

  async read(place: ExternalData): Promise<Uint8Array<ArrayBuffer>> {
    return this.#bufferOf(place).slice(
      place.offset,
      place.offset + place.byteLength,
    ) as Uint8Array<ArrayBuffer>;
  }

  #bufferOf({ file }: ExternalData): Uint8Array {
    return this.buffers[Number(file.slice("weight-".length))]!;
  }

  async dispose(): Promise<void> {
    this.buffers.length = 0;
  }
}

/** ONNX Runtime for browsers. */
export const runtime: Runtime = {
  createStorage: async () => new BufferStorage(),

  async createSession(model, storage, { threads, ...where }) {
    if (threads !== undefined) ort.env.wasm.numThreads = threads;
    const buffers = storage instanceof BufferStorage ? storage.buffers : [];
    const session = await ort.InferenceSession.create(model.bytes, {
      ...commonOptions,
      ...providerOptions(model, where),
      ...keptOptions(model, where),
      externalData: buffers.map((data, i) => ({ path: `weight-${i}`, data })),
    });
    return wrapSession(ort, session, model);
  },
};
