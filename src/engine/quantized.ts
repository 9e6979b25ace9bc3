import { Tensor } from "./tensor.js";

/** How a matrix [rows, columns] is cut into blocks of whole numbers: w = scale (q - 2^(bits - 1)). */
export interface BlockFormat {
  readonly shape: readonly [rows: number, columns: number];
  /** Bits of a number. */
  readonly bits: 4 | 8;
  /** Numbers of a row that share a scale. */
  readonly blockSize: 16 | 32;
}

/** A matrix in blocks, laid out as ONNX Runtime's operators read it. */
export interface QuantizedMatrix extends BlockFormat {
  /** uint8 [rows, columns * bits / 8]; of two numbers in a byte the first is the low half. */
  readonly data: Tensor;
  /** f32 [rows, columns / blockSize] */
  readonly scales: Tensor;
}

/** Numbers that share a scale when we choose: what llama.cpp's formats have too. */
const defaultBlockSize = 32;

/** Whether a tensor can be cut into blocks: a matrix whose rows are whole blocks. */
export const fitsBlocks = (shape: readonly number[]): shape is readonly [number, number] =>
  shape.length === 2 && shape[1]! > 0 && shape[1]! % defaultBlockSize === 0;

/**
 * Lays whole numbers out in blocks.
 *
 * @param quants signed numbers, row by row. @param scales one for each block.
 */
export function packBlocks(format: BlockFormat, quants: Int8Array, scales: Float32Array): QuantizedMatrix {
  const { shape, bits, blockSize } = format;
  const [rows, columns] = shape;
  const bytes = new Uint8Array((quants.length * bits) / 8);
  if (bits === 8) for (let i = 0; i < bytes.length; i++) bytes[i] = quants[i]! + 128;
  else
    for (let i = 0; i < bytes.length; i++) bytes[i] = (quants[2 * i]! + 8) | ((quants[2 * i + 1]! + 8) << 4);
  return {
    shape,
    bits,
    blockSize,
    data: new Tensor("uint8", [rows, (columns * bits) / 8], bytes),
    scales: Tensor.f32([rows, columns / blockSize], scales),
  };
}

/**
 * Rounds an f32 matrix, block by block, to the nearest of 15 (4 bits) or 255 (8 bits) numbers on both sides of zero.
 * Its columns must be whole blocks ({@link fitsBlocks}).
 */
export function quantize({ shape, f32 }: Tensor, bits: 4 | 8): QuantizedMatrix {
  const [rows, columns] = shape as [number, number];
  const largest = 2 ** (bits - 1) - 1;
  const quants = new Int8Array(f32.length);
  const scales = new Float32Array(f32.length / defaultBlockSize);
  for (let block = 0; block < scales.length; block++) {
    const start = block * defaultBlockSize;
    const end = start + defaultBlockSize;
    let limit = 0;
    for (let i = start; i < end; i++) limit = Math.max(limit, Math.abs(f32[i]!));
    const scale = Math.fround(limit / largest);
    scales[block] = scale;
    if (scale > 0) for (let i = start; i < end; i++) quants[i] = Math.round(f32[i]! / scale);
  }
  return packBlocks({ shape: [rows, columns], bits, blockSize: defaultBlockSize }, quants, scales);
}

/** The numbers that a matrix in blocks stands for, f32 [rows, columns]. */
export function dequantize({ shape, bits, blockSize, data, scales }: QuantizedMatrix): Tensor {
  const bytes = data.data as Uint8Array;
  const values = new Float32Array(shape[0] * shape[1]);
  for (let i = 0; i < values.length; i++) {
    const q = bits === 8 ? bytes[i]! - 128 : ((bytes[i >> 1]! >> (4 * (i & 1))) & 15) - 8;
    values[i] = scales.f32[Math.floor(i / blockSize)]! * q;
  }
  return new Tensor("f32", shape, values);
}
