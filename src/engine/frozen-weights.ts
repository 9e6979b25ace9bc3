import { runtime } from "#runtime";
import { toF32 } from "./half.js";
import { dequantize, type QuantizedMatrix } from "./quantized.js";
import type { WeightStorage } from "./runtime.js";
import type { ExternalData, StoredWeight } from "./stored.js";
import { Tensor, type TensorData } from "./tensor.js";
import type { TypeInfo } from "./value.js";

/**
 * Weights that no training changes: stored once, outside of any graph, and read from there by every graph that is
 * compiled over them (training, evaluation, decoding). Names are those of the checkpoint.
 */
export class FrozenWeights {
  /** @internal Where the bytes lie. */
  readonly storage: WeightStorage;
  readonly #entries = new Map<string, { type: TypeInfo; data: StoredWeight }>();

  private constructor(storage: WeightStorage) {
    this.storage = storage;
  }

  /** An empty set. */
  static async create(): Promise<FrozenWeights> {
    return new FrozenWeights(await runtime.createStorage());
  }

  /** Stores a floating tensor as f32. @throws Error when the name is taken. */
  async add(name: string, tensor: Tensor): Promise<void> {
    this.#refuseTaken(name);
    const { dtype, shape, data } = toF32(tensor);
    this.#entries.set(name, { type: { dtype, shape }, data: await this.#append(data) });
  }

  /** Stores a matrix in blocks, which stands for f32 numbers. @throws Error when the name is taken. */
  async addQuantized(name: string, { data, scales, ...format }: QuantizedMatrix): Promise<void> {
    this.#refuseTaken(name);
    const zeroPoints = new Uint8Array((scales.size * format.bits) / 8).fill(format.bits === 8 ? 0x80 : 0x88);
    const [storedData, storedScales, storedZeroPoints] = await Promise.all([
      this.#append(data.data),
      this.#append(scales.data),
      this.#append(zeroPoints),
    ]);
    this.#entries.set(name, {
      type: { dtype: "f32", shape: format.shape },
      data: { ...format, data: storedData, scales: storedScales, zeroPoints: storedZeroPoints },
    });
  }

  /** Whether a weight is stored in blocks. */
  get quantized(): boolean {
    return [...this.#entries.values()].some(({ data }) => "bits" in data);
  }

  #refuseTaken(name: string): void {
    if (this.#entries.has(name)) throw new Error(`FrozenWeights: ${name} is there already`);
  }

  #append({ buffer, byteOffset, byteLength }: TensorData) {
    return this.storage.append(new Uint8Array(buffer, byteOffset, byteLength));
  }

  /** Whether a weight is there. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** @internal Where a weight lies and what it is. @throws Error when there is none of this name. */
  get(name: string): { readonly type: TypeInfo; readonly data: StoredWeight } {
    const entry = this.#entries.get(name);
    if (!entry) throw new Error(`FrozenWeights: no weight ${name || "without a name"} was stored`);
    return entry;
  }

  /** A copy of a weight, as f32. */
  async read(name: string): Promise<Tensor> {
    const { type, data } = this.get(name);
    const f32 = async (at: ExternalData, shape: readonly number[]) =>
      Tensor.f32(shape, new Float32Array((await this.storage.read(at)).buffer));
    if (!("bits" in data)) return f32(data, type.shape);
    const { shape, bits, blockSize } = data;
    const [rows, columns] = shape;
    const bytes = await this.storage.read(data.data);
    return dequantize({
      shape,
      bits,
      blockSize,
      data: new Tensor("uint8", [rows, (columns * bits) / 8], bytes),
      scales: await f32(data.scales, [rows, columns / blockSize]),
    });
  }

  /** Deletes the weights. Sessions over them must have been released. */
  dispose(): Promise<void> {
    return this.storage.dispose();
  }
}
