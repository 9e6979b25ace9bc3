import { runtime } from "#runtime";
import { InputError } from "../errors.js";
import { fromF32, toF32 } from "./half.js";
import { type BlockFormat, dequantize, type QuantizedMatrix } from "./quantized.js";
import type { WeightStorage } from "./runtime.js";
import type { ProductType, StoredBlocks, StoredNumbers, StoredWeight } from "./stored.js";
import { arrayType, bytesPerElement, sizeOf, Tensor, type TensorData } from "./tensor.js";

/** Bytes that are read at a time. */
const pieceSize = 2 ** 24;

/** What comes one after the other; none is kept. */
export type Pieces<T> = Iterable<T> | AsyncIterable<T>;

/**
 * Weights that no training changes: stored once, outside of any graph, and read from there by every graph that is
 * compiled over them (training, evaluation, decoding). Names are those of the checkpoint.
 */
export class FrozenWeights {
  /** @internal Where the bytes lie. */
  readonly storage: WeightStorage;
  /** What matrices are stored as that are not in blocks: graphs multiply by them in this type. */
  readonly dtype: ProductType;
  readonly #entries = new Map<string, StoredWeight>();

  private constructor(storage: WeightStorage, dtype: ProductType) {
    this.storage = storage;
    this.dtype = dtype;
  }

  /** An empty set. */
  static async create(dtype: ProductType = "f32"): Promise<FrozenWeights> {
    return new FrozenWeights(await runtime.createStorage(), dtype);
  }

  /** Stores a floating tensor: a matrix in the set's type, a vector as f32. @throws Error when the name is taken. */
  add(name: string, tensor: Tensor): Promise<void> {
    return this.addRows(name, tensor.shape, [tensor]);
  }

  /** Stores a floating tensor that comes some rows at a time. @throws Error when the name is taken. */
  async addRows(name: string, shape: readonly number[], pieces: Pieces<Tensor>): Promise<void> {
    this.#refuseTaken(name);
    const dtype = shape.length > 1 ? this.dtype : "f32";
    const place = this.storage.reserve(bytesPerElement(dtype) * sizeOf(shape));
    let at = 0;
    for await (const piece of pieces) {
      const stored = piece.dtype === dtype ? piece : fromF32(toF32(piece), dtype);
      if (dtype === "f16") refuseInfinite(name, stored);
      const bytes = bytesOf(stored);
      await this.storage.write(place, at, bytes);
      at += bytes.byteLength;
    }
    this.#entries.set(name, { ...place, dtype, shape });
  }

  /** Stores a matrix in blocks, which stands for f32 numbers. @throws Error when the name is taken. */
  addQuantized(name: string, matrix: QuantizedMatrix): Promise<void> {
    return this.addQuantizedRows(name, matrix.shape, [matrix]);
  }

  /** Stores a matrix in blocks that comes some rows at a time. @throws Error when the name is taken. */
  async addQuantizedRows(
    name: string,
    shape: readonly number[],
    pieces: Pieces<QuantizedMatrix>,
  ): Promise<void> {
    this.#refuseTaken(name);
    const [rows, columns] = shape as [number, number];
    let stored: StoredBlocks | undefined;
    let row = 0;
    for await (const { data, scales, ...format } of pieces) {
      stored ??= await this.#reserveBlocks({ ...format, shape: [rows, columns] });
      await this.storage.write(stored.data, (row * stored.data.byteLength) / rows, bytesOf(data));
      await this.storage.write(stored.scales, (row * stored.scales.byteLength) / rows, bytesOf(scales));
      row += format.shape[0];
    }
    if (!stored) throw new Error(`FrozenWeights: ${name} has no rows`);
    this.#entries.set(name, stored);
  }

  async #reserveBlocks(format: BlockFormat): Promise<StoredBlocks> {
    const { bits, blockSize, shape } = format;
    const blocks = sizeOf(shape) / blockSize;
    const zeros = new Uint8Array(Math.ceil((blocks * bits) / 8)).fill(bits === 8 ? 0x80 : 0x88);
    const zeroPoints = this.storage.reserve(zeros.byteLength);
    await this.storage.write(zeroPoints, 0, zeros);
    return {
      ...format,
      data: this.storage.reserve((sizeOf(shape) * bits) / 8),
      scales: this.storage.reserve(4 * blocks),
      zeroPoints,
    };
  }

  /** Whether a weight is stored in blocks. */
  get quantized(): boolean {
    return [...this.#entries.values()].some((stored) => "bits" in stored);
  }

  #refuseTaken(name: string): void {
    if (this.#entries.has(name)) throw new Error(`FrozenWeights: ${name} is there already`);
  }

  /** Whether a weight is there. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** @internal Where a weight lies and as what. @throws Error when there is none of this name. */
  get(name: string): StoredWeight {
    const entry = this.#entries.get(name);
    if (!entry) throw new Error(`FrozenWeights: no weight ${name || "without a name"} was stored`);
    return entry;
  }

  /** A copy of a weight, as f32. */
  async read(name: string): Promise<Tensor> {
    const stored = this.get(name);
    const numbers = async ({ dtype, shape, ...place }: StoredNumbers) => {
      const { buffer } = await this.storage.read(place);
      return toF32(new Tensor(dtype, shape, new (arrayType(dtype))(buffer) as TensorData));
    };
    if (!("bits" in stored)) return numbers(stored);
    const { shape, bits, blockSize, data, scales } = stored;
    const [rows, columns] = shape;
    return dequantize({
      shape,
      bits,
      blockSize,
      data: new Tensor("uint8", [rows, (columns * bits) / 8], await this.storage.read(data)),
      scales: await numbers({ ...scales, dtype: "f32", shape: [rows, columns / blockSize] }),
    });
  }

  /** @internal All that is stored, as it is stored, some bytes at a time, in the order of the names. */
  async *contents(): AsyncGenerator<{ readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }> {
    const entries = [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, stored] of entries) {
      const format = "bits" in stored ? ` ${stored.bits} bits, blocks of ${stored.blockSize}` : "";
      for (const place of "bits" in stored ? [stored.data, stored.scales] : [stored]) {
        for (let at = 0; at < place.byteLength; at += pieceSize) {
          const byteLength = Math.min(pieceSize, place.byteLength - at);
          const bytes = await this.storage.read({ ...place, offset: place.offset + at, byteLength });
          yield { name: `${name} [${stored.shape}]${format}`, bytes };
        }
      }
    }
  }

  /** Deletes the weights. Sessions over them must have been released. */
  dispose(): Promise<void> {
    return this.storage.dispose();
  }
}

/** @throws InputError when a number is beyond what half precision knows. */
function refuseInfinite(name: string, { data }: Tensor): void {
  if ((data as Uint16Array).some((half) => (half & 0x7fff) === 0x7c00))
    throw new InputError("dtype", `is f16, but ${name} has numbers beyond 65504, its largest; use f32`);
}

const bytesOf = ({ data: { buffer, byteOffset, byteLength } }: Tensor) =>
  new Uint8Array(buffer, byteOffset, byteLength);
