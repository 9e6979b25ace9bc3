import { runtime } from "#runtime";
import { toF32 } from "./half.js";
import type { ExternalData } from "./onnx-proto.js";
import type { WeightStorage } from "./runtime.js";
import { arrayType, Tensor } from "./tensor.js";
import type { TypeInfo } from "./value.js";

/**
 * Weights that no training changes: stored once, outside of any graph, and read from there by every graph that is
 * compiled over them (training, evaluation, decoding). Names are those of the checkpoint.
 */
export class FrozenWeights {
  /** @internal Where the bytes lie. */
  readonly storage: WeightStorage;
  readonly #entries = new Map<string, { type: TypeInfo; data: ExternalData }>();

  private constructor(storage: WeightStorage) {
    this.storage = storage;
  }

  /** An empty set. */
  static async create(): Promise<FrozenWeights> {
    return new FrozenWeights(await runtime.createStorage());
  }

  /** Stores a floating tensor as f32. @throws Error when the name is taken. */
  async add(name: string, tensor: Tensor): Promise<void> {
    if (this.#entries.has(name)) throw new Error(`FrozenWeights: ${name} is there already`);
    const { dtype, shape, data } = toF32(tensor);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#entries.set(name, { type: { dtype, shape }, data: await this.storage.append(bytes) });
  }

  /** Whether a weight is there. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** @internal Where a weight lies and what it is. @throws Error when there is none of this name. */
  get(name: string): { readonly type: TypeInfo; readonly data: ExternalData } {
    const entry = this.#entries.get(name);
    if (!entry) throw new Error(`FrozenWeights: no weight ${name || "without a name"} was stored`);
    return entry;
  }

  /** A copy of a weight. */
  async read(name: string): Promise<Tensor> {
    const { type, data } = this.get(name);
    return new Tensor(
      type.dtype,
      type.shape,
      new (arrayType(type.dtype))((await this.storage.read(data)).buffer),
    );
  }

  /** Deletes the weights. Sessions over them must have been released. */
  dispose(): Promise<void> {
    return this.storage.dispose();
  }
}
