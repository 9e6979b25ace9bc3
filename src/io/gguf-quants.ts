import {
  type BlockFormat,
  dequantize as dequantizeBlocks,
  type QuantizedMatrix,
} from "../engine/quantized.js";
import { sizeOf } from "../engine/tensor.js";
import { halves, isSymmetric, readSymmetric, type SymmetricTypeName, symmetricTypes } from "./gguf-blocks.js";

/** A storage type of GGUF tensors: how many weights make a block, and how many bytes a block has. */
export interface GgmlType {
  readonly id: number;
  /** Weights per block. */
  readonly block: number;
  /** Bytes per block. */
  readonly bytes: number;
}

/** The storage types that can be read, by ggml's name (ggml.h, ggml-common.h). */
export const ggmlTypes = {
  F32: { id: 0, block: 1, bytes: 4 },
  F16: { id: 1, block: 1, bytes: 2 },
  BF16: { id: 30, block: 1, bytes: 2 },
  Q4_0: { id: 2, block: 32, bytes: 18 },
  Q4_1: { id: 3, block: 32, bytes: 20 },
  Q5_0: { id: 6, block: 32, bytes: 22 },
  Q5_1: { id: 7, block: 32, bytes: 24 },
  Q8_0: { id: 8, block: 32, bytes: 34 },
  Q2_K: { id: 10, block: 256, bytes: 84 },
  Q3_K: { id: 11, block: 256, bytes: 110 },
  Q4_K: { id: 12, block: 256, bytes: 144 },
  Q5_K: { id: 13, block: 256, bytes: 176 },
  Q6_K: { id: 14, block: 256, bytes: 210 },
} as const satisfies Record<string, GgmlType>;

/** Name of a storage type that can be read. */
export type GgmlTypeName = keyof typeof ggmlTypes;

/** Whether a storage type, of any file, packs weights in blocks. */
export const isBlockType = (type: string): boolean =>
  Object.hasOwn(ggmlTypes, type) && ggmlTypes[type as GgmlTypeName].block > 1;

/** Decodes whole blocks: `b` holds `y.length / block` of them. */
type Decoder = (b: Uint8Array, y: Float32Array) => void;

/**
 * Weights stored as blocks of a ggml type, as `f32` numbers.
 *
 * The results are bit for bit those of ggml: every product of a scale and a quant is exact in a double, so that only
 * the last operation rounds.
 *
 * @param bytes the blocks, `count / block * bytes per block` long
 * @param count number of weights
 * @throws RangeError when the lengths do not fit together.
 */
export function dequantize(type: GgmlTypeName, bytes: Uint8Array, count: number): Float32Array {
  requireWhole(type, bytes, count);
  if (isSymmetric(type)) return dequantizeBlocks(readSymmetric(type, bytes, [1, count])).f32;
  const y = new Float32Array(count);
  decoders[type](bytes, y);
  return y;
}

/** The blocks of a matrix of a type without offsets; undefined for what is no such matrix. */
export function blockFormat(type: GgmlTypeName, shape: readonly number[]): BlockFormat | undefined {
  const [rows, columns, ...more] = shape;
  if (!isSymmetric(type) || rows === undefined || columns === undefined || more.length > 0) return undefined;
  const { bits, blockSize } = symmetricTypes[type];
  return { shape: [rows, columns], bits, blockSize };
}

/** A matrix in the blocks that it is stored in. @throws RangeError when it has none ({@link blockFormat}). */
export function readBlocks(type: GgmlTypeName, bytes: Uint8Array, shape: readonly number[]): QuantizedMatrix {
  const format = blockFormat(type, shape);
  if (!format) throw new RangeError(`${type} [${shape}] is no matrix in blocks without offsets`);
  requireWhole(type, bytes, sizeOf(shape));
  return readSymmetric(type as SymmetricTypeName, bytes, format.shape);
}

function requireWhole(type: GgmlTypeName, bytes: Uint8Array, count: number): void {
  const { block, bytes: blockBytes } = ggmlTypes[type];
  if (count % block !== 0 || bytes.length !== (count / block) * blockBytes) {
    throw new RangeError(
      `${type}: ${count} weights need ${(count / block) * blockBytes} bytes in whole blocks of ${block}, got ${bytes.length}`,
    );
  }
}

// Layouts below: dequantize_row_* of ggml-quants.c. `o` walks over bytes, `i` over weights.

/** The types that have no whole numbers, or offsets beside them. */
const decoders: Record<Exclude<GgmlTypeName, SymmetricTypeName>, Decoder> = {
  F32: (b, y) => {
    new Uint8Array(y.buffer).set(b);
  },

  F16: (b, y) => {
    const half = halves();
    for (let i = 0; i < y.length; i++) y[i] = half[b[2 * i]! | (b[2 * i + 1]! << 8)]!;
  },

  BF16: (b, y) => {
    const bits = new Uint32Array(y.buffer);
    for (let i = 0; i < bits.length; i++) bits[i] = (b[2 * i]! << 16) | (b[2 * i + 1]! << 24);
  },

  Q4_1: (b, y) => {
    const half = halves();
    for (let o = 0, i = 0; i < y.length; o += 20, i += 32) {
      const d = half[b[o]! | (b[o + 1]! << 8)]!;
      const m = half[b[o + 2]! | (b[o + 3]! << 8)]!;
      for (let j = 0; j < 16; j++) {
        const q = b[o + 4 + j]!;
        y[i + j] = d * (q & 15) + m;
        y[i + j + 16] = d * (q >> 4) + m;
      }
    }
  },

  Q5_1: (b, y) => {
    const half = halves();
    for (let o = 0, i = 0; i < y.length; o += 24, i += 32) {
      const d = half[b[o]! | (b[o + 1]! << 8)]!;
      const m = half[b[o + 2]! | (b[o + 3]! << 8)]!;
      const high = b[o + 4]! | (b[o + 5]! << 8) | (b[o + 6]! << 16) | (b[o + 7]! << 24);
      for (let j = 0; j < 16; j++) {
        const q = b[o + 8 + j]!;
        y[i + j] = d * ((q & 15) | (((high >>> j) & 1) << 4)) + m;
        y[i + j + 16] = d * ((q >> 4) | (((high >>> (j + 16)) & 1) << 4)) + m;
      }
    }
  },

  // scales[16] (4-bit scale, 4-bit minimum), qs[64], d, dmin
  Q2_K: (b, y) => {
    const half = halves();
    for (let o = 0, i = 0; i < y.length; o += 84, i += 256) {
      const d = half[b[o + 80]! | (b[o + 81]! << 8)]!;
      const dmin = half[b[o + 82]! | (b[o + 83]! << 8)]!;
      for (let group = 0; group < 16; group++) {
        const scale = b[o + group]!;
        const dl = d * (scale & 15);
        const ml = dmin * (scale >> 4);
        const q = o + 16 + (group >> 3) * 32 + (group & 1) * 16;
        const shift = group & 6;
        const out = i + group * 16;
        for (let l = 0; l < 16; l++) y[out + l] = dl * ((b[q + l]! >> shift) & 3) - ml;
      }
    }
  },

  // hmask[32], qs[64], scales[12] (16 of 6 bits), d
  Q3_K: (b, y) => {
    const half = halves();
    for (let o = 0, i = 0; i < y.length; o += 110, i += 256) {
      const d = half[b[o + 108]! | (b[o + 109]! << 8)]!;
      for (let group = 0; group < 16; group++) {
        const low = group < 8 ? b[o + 96 + group]! & 15 : b[o + 88 + group]! >> 4;
        const high = (b[o + 104 + (group & 3)]! >> (2 * (group >> 2))) & 3;
        const dl = d * ((low | (high << 4)) - 32);
        const half16 = (group & 1) * 16;
        const q = o + 32 + (group >> 3) * 32 + half16;
        const mask = o + half16;
        const shift = group & 6;
        const bit = group >> 1;
        const out = i + group * 16;
        for (let l = 0; l < 16; l++) {
          y[out + l] = dl * (((b[q + l]! >> shift) & 3) - (((b[mask + l]! >> bit) & 1) ^ 1) * 4);
        }
      }
    }
  },

  // d, dmin, scales[12] (8 scales and 8 minima of 6 bits), qs[128]
  Q4_K: (b, y) => {
    const half = halves();
    for (let o = 0, i = 0; i < y.length; o += 144, i += 256) {
      const d = half[b[o]! | (b[o + 1]! << 8)]!;
      const dmin = half[b[o + 2]! | (b[o + 3]! << 8)]!;
      for (let pair = 0; pair < 4; pair++) {
        const d1 = d * scaleK4(b, o + 4, 2 * pair);
        const m1 = dmin * minimumK4(b, o + 4, 2 * pair);
        const d2 = d * scaleK4(b, o + 4, 2 * pair + 1);
        const m2 = dmin * minimumK4(b, o + 4, 2 * pair + 1);
        const q = o + 16 + pair * 32;
        const out = i + pair * 64;
        for (let l = 0; l < 32; l++) {
          const byte = b[q + l]!;
          y[out + l] = d1 * (byte & 15) - m1;
          y[out + l + 32] = d2 * (byte >> 4) - m2;
        }
      }
    }
  },

  // as Q4_K, with a fifth bit in qh[32] before qs[128]
  Q5_K: (b, y) => {
    const half = halves();
    for (let o = 0, i = 0; i < y.length; o += 176, i += 256) {
      const d = half[b[o]! | (b[o + 1]! << 8)]!;
      const dmin = half[b[o + 2]! | (b[o + 3]! << 8)]!;
      for (let pair = 0; pair < 4; pair++) {
        const d1 = d * scaleK4(b, o + 4, 2 * pair);
        const m1 = dmin * minimumK4(b, o + 4, 2 * pair);
        const d2 = d * scaleK4(b, o + 4, 2 * pair + 1);
        const m2 = dmin * minimumK4(b, o + 4, 2 * pair + 1);
        const q = o + 48 + pair * 32;
        const out = i + pair * 64;
        for (let l = 0; l < 32; l++) {
          const byte = b[q + l]!;
          const high = b[o + 16 + l]! >> (2 * pair);
          y[out + l] = d1 * ((byte & 15) | ((high & 1) << 4)) - m1;
          y[out + l + 32] = d2 * ((byte >> 4) | ((high & 2) << 3)) - m2;
        }
      }
    }
  },
};

/** Scale `j` of the 12 packed bytes at `o` that Q4_K and Q5_K share (get_scale_min_k4). */
function scaleK4(b: Uint8Array, o: number, j: number): number {
  return j < 4 ? b[o + j]! & 63 : (b[o + j + 4]! & 15) | ((b[o + j - 4]! >> 6) << 4);
}

/** Minimum `j` of the same 12 bytes. */
function minimumK4(b: Uint8Array, o: number, j: number): number {
  return j < 4 ? b[o + j + 4]! & 63 : (b[o + j + 4]! >> 4) | ((b[o + j]! >> 6) << 4);
}
