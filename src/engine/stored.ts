import type { BlockFormat } from "./quantized.js";
import type { DType } from "./tensor.js";

/*
 * Weights that lie outside of a graph: where their bytes are and as what it reads them.
 */

/** Where the bytes of an initializer lie: a file in the folder of the model. */
export interface ExternalData {
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
}

/** The element types of initializers: numbers of 4 bits have no tensors of their own. */
export type StoredType = DType | "uint4";

/** The type of an initializer. */
export interface ExternalType {
  readonly dtype: StoredType;
  readonly shape: readonly number[];
}

/** The type in which graphs multiply by frozen matrices; all else is f32. */
export type ProductType = "f32" | "f16";

/** Numbers one after the other, in a file beside the model. */
export interface StoredNumbers extends ExternalData {
  /** What they are stored as; whatever it is, they stand for f32. */
  readonly dtype: ProductType;
  readonly shape: readonly number[];
}

/** A matrix in blocks, in a file beside the model. */
export interface StoredBlocks extends BlockFormat {
  readonly data: ExternalData;
  readonly scales: ExternalData;
  /** The number that stands for zero, for each block: packed as `data`. */
  readonly zeroPoints: ExternalData;
}

/** Where a weight lies: as it is, or in blocks. */
export type StoredWeight = StoredNumbers | StoredBlocks;

/** Some of the rows of a weight. */
export function rowsOf(weight: StoredWeight, first: number, count: number): StoredWeight {
  const part = ({ file, offset, byteLength }: ExternalData): ExternalData => {
    const row = byteLength / weight.shape[0]!;
    return { file, offset: offset + first * row, byteLength: count * row };
  };
  if (!("bits" in weight)) return { ...weight, ...part(weight), shape: weight.shape.with(0, count) };
  const { data, scales, zeroPoints, shape, bits, blockSize } = weight;
  const bytes = Math.ceil((count * (shape[1] / blockSize) * bits) / 8);
  return {
    ...weight,
    shape: [count, shape[1]],
    data: part(data),
    scales: part(scales),
    // One number stands for zero everywhere, so those of the first rows serve all; of 4 bits a row may have half a byte.
    zeroPoints: { ...zeroPoints, byteLength: bytes },
  };
}
