import type { Device } from "./device.js";
import type { OnnxModel } from "./onnx-graph.js";
import type { ExternalData } from "./stored.js";
import type { Tensor } from "./tensor.js";

/**
 * What the engine asks of the machine it runs on. Two modules implement it, runtime-node.ts and runtime-web.ts; the
 * package's import condition `#runtime` chooses.
 */
export interface Runtime {
  /** A place for weights that every session can read without a copy of its own. */
  createStorage(): Promise<WeightStorage>;
  /** Makes a model ready to run; `storage` holds the external data that it names. */
  createSession(
    model: OnnxModel,
    storage: WeightStorage | undefined,
    options: CreateSessionOptions,
  ): Promise<Session>;
}

/** How a session runs. */
export interface SessionOptions {
  /** By default the processor. */
  readonly device?: Device;
  /** Threads of one op; by default one for each core. */
  readonly threads?: number;
  /** Whether its runs take turns with those of other sessions, so that its threads should wait for the next asleep. */
  readonly takesTurns?: boolean;
  /** Writes ONNX Runtime's profile (a Chrome trace) to files that begin with this. Node only. */
  readonly profile?: string;
}

/** What a runtime is told beside a model. */
export interface CreateSessionOptions extends SessionOptions {
  /**
   * Names of outputs that stay in the memory of a WebGPU device, to be inputs of a next run. Elsewhere they are tensors
   * like all others.
   */
  readonly kept: readonly string[];
}

/** A model that is ready to run. */
export interface Session {
  /** Runs once: tensors in the order of the model's inputs, gives those of its outputs. */
  run(inputs: readonly Tensor[]): Promise<Tensor[]>;
  release(): Promise<void>;
}

/** Bytes outside of any graph, written once, in pieces of any size. */
export interface WeightStorage {
  /** A place for so many bytes. */
  reserve(byteLength: number): ExternalData;
  /** Writes some bytes of a place. */
  write(place: ExternalData, at: number, bytes: Uint8Array): Promise<void>;
  read(data: ExternalData): Promise<Uint8Array<ArrayBuffer>>;
  dispose(): Promise<void>;
}
