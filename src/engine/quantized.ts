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

/** Numbers that share a scale when we choose: with few bits a block is the better the smaller it is. */
const blockSizes = { 4: 16, 8: 32 } as const;

/** Whether a tensor can be cut into blocks: a matrix whose rows are whole blocks. */
export const fitsBlocks = (shape: readonly number[]): shape is readonly [number, number] =>
  shape.length === 2 && shape[1]! > 0 && shape[1]! % blockSizes[8] === 0;

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
 * Rounds an f32 matrix, block by block: to the nearest of 255 numbers on both sides of zero (8 bits), or to 16 numbers by
 * the scale whose squared error is the least of those tried (4 bits). Its columns must be whole blocks ({@link fitsBlocks}).
 */
export function quantize(matrix: Tensor, bits: 4 | 8): QuantizedMatrix {
  const [rows, columns] = matrix.shape as [number, number];
  const format: BlockFormat = { shape: [rows, columns], bits, blockSize: blockSizes[bits] };
  return bits === 8 ? roundTo8(matrix.f32, format) : roundTo4(matrix.f32, format);
}

function roundTo8(f32: Float32Array, format: BlockFormat): QuantizedMatrix {
  const bytes = new Uint8Array(f32.length).fill(128);
  const { blockSize } = format;
  const scales = new Float32Array(f32.length / blockSize);
  for (let block = 0, start = 0; block < scales.length; block++, start += blockSize) {
    const end = start + blockSize;
    let largest = 0;
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(f32[i]!));
    if (largest === 0) continue;
    const scale = largest / 127;
    scales[block] = scale;
    for (let i = start; i < end; i++) bytes[i] = Math.floor(f32[i]! / scale + 128.5);
  }
  return {
    ...format,
    data: new Tensor("uint8", format.shape, bytes),
    scales: Tensor.f32([format.shape[0], format.shape[1] / blockSize], scales),
  };
}

function roundTo4(f32: Float32Array, format: BlockFormat): QuantizedMatrix {
  const quants = new Int8Array(f32.length);
  const { blockSize } = format;
  const scales = new Float32Array(f32.length / blockSize);
  for (let block = 0, start = 0; block < scales.length; block++, start += blockSize) {
    const end = start + blockSize;
    let extreme = 0;
    for (let i = start; i < end; i++) if (Math.abs(f32[i]!) > Math.abs(extreme)) extreme = f32[i]!;
    if (extreme === 0) continue;
    const scale = bestScale(f32, start, end, extreme);
    scales[block] = scale;
    for (let i = start; i < end; i++) quants[i] = Math.max(-8, Math.min(7, Math.round(f32[i]! / scale)));
  }
  return packBlocks(format, quants, scales);
}

/** What the extreme number of a block may become in 4 bits: -8 is a whole number too, and most others are far from it. */
const extremeQuants = [-9.5, -9, -8.5, -8, -7.75, -7.5, -7.25, -7, -6.5, 6.5, 7, 7.5];

/** The scale of a block whose squared error is the least, each fitted to the whole numbers that a first guess gives. */
function bestScale(f32: Float32Array, start: number, end: number, extreme: number): number {
  let best = 0;
  let most = -1;
  for (const q of extremeQuants) {
    const inverse = q / extreme;
    let product = 0;
    let square = 0;
    for (let i = start; i < end; i++) {
      const value = f32[i]!;
      const rounded = Math.max(-8, Math.min(7, Math.round(value * inverse)));
      product += value * rounded;
      square += rounded * rounded;
    }
    // The error of the fitted scale is |w|^2 less this.
    const explained = (product * product) / square;
    if (explained > most) {
      most = explained;
      best = product / square;
    }
  }
  return best;
}

/** The numbers that a matrix in blocks stands for, f32 [rows, columns]. */
export function dequantize({ shape, bits, blockSize, data, scales }: QuantizedMatrix): Tensor {
  const bytes = data.data as Uint8Array;
  const values = new Float32Array(shape[0] * shape[1]);
  let i = 0;
  for (const scale of scales.f32) {
    const end = i + blockSize;
    if (bits === 8) for (; i < end; i++) values[i] = scale * (bytes[i]! - 128);
    else for (; i < end; i++) values[i] = scale * (((bytes[i >> 1]! >> (4 * (i & 1))) & 15) - 8);
  }
  return new Tensor("f32", shape, values);
}
