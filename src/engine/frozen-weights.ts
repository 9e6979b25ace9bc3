import { runtime } from "#runtime";
import { toF32 } from "./half.js";
import { type BlockFormat, dequantize, type QuantizedMatrix } from "./quantized.js";
import type { WeightStorage } from "./runtime.js";
import type { ExternalData, StoredBlocks, StoredWeight } from "./stored.js";
import { sizeOf, Tensor } from "./tensor.js";
import type { TypeInfo } from "./value.js";

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
  readonly #entries = new Map<string, { type: TypeInfo; data: StoredWeight }>();

  private constructor(storage: WeightStorage) {
    this.storage = storage;
  }

  /** An empty set. */
  static async create(): Promise<FrozenWeights> {
    return new FrozenWeights(await runtime.createStorage());
  }

  /** Stores a floating tensor as f32. @throws Error when the name is taken. */
  add(name: string, tensor: Tensor): Promise<void> {
    return this.addRows(name, tensor.shape, [tensor]);
  }

  /** Stores a floating tensor that comes some rows at a time. @throws Error when the name is taken. */
  async addRows(name: string, shape: readonly number[], pieces: Pieces<Tensor>): Promise<void> {
    this.#refuseTaken(name);
    const place = this.storage.reserve(4 * sizeOf(shape));
    let at = 0;
    for await (const piece of pieces) {
      const bytes = bytesOf(toF32(piece));
      await this.storage.write(place, at, bytes);
      at += bytes.byteLength;
    }
    this.#entries.set(name, { type: { dtype: "f32", shape }, data: place });
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
    this.#entries.set(name, { type: { dtype: "f32", shape }, data: stored });
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
    return [...this.#entries.values()].some(({ data }) => "bits" in data);
  }

  #refuseTaken(name: string): void {
    if (this.#entries.has(name)) throw new Error(`FrozenWeights: ${name} is there already`);
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

  /** @internal All that is stored, as it is stored, some bytes at a time, in the order of the names. */
  async *contents(): AsyncGenerator<{ readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }> {
    const entries = [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, { type, data }] of entries) {
      const format = "bits" in data ? ` ${data.bits} bits, blocks of ${data.blockSize}` : "";
      for (const place of "bits" in data ? [data.data, data.scales] : [data]) {
        for (let at = 0; at < place.byteLength; at += pieceSize) {
          const byteLength = Math.min(pieceSize, place.byteLength - at);
          const bytes = await this.storage.read({ ...place, offset: place.offset + at, byteLength });
          yield { name: `${name} [${type.shape}]${format}`, bytes };
        }
      }
    }
  }

  /** Deletes the weights. Sessions over them must have been released. */
  dispose(): Promise<void> {
    return this.storage.dispose();
  }
}

const bytesOf = ({ data: { buffer, byteOffset, byteLength } }: Tensor) =>
  new Uint8Array(buffer, byteOffset, byteLength);
