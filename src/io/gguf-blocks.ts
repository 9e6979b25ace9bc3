import { halfToNumber } from "../engine/half.js";
import type { BlockFormat, QuantizedMatrix } from "../engine/quantized.js";
import { Tensor } from "../engine/tensor.js";

/**
 * How a storage type of GGUF tensors is laid out whose weights are a scale times a signed whole number: others have an
 * offset in each block too.
 */
interface SymmetricType extends Pick<BlockFormat, "bits" | "blockSize"> {
  /**
   * Reads whole blocks, given as 16-bit words: all blocks start on one. `data` and `scales` get what a {@link QuantizedMatrix} has.
   */
  read(b: Uint16Array, data: Uint8Array, scales: Float32Array): void;
}

let halfTable: Float32Array | undefined;

/** The numbers of all 65536 halves. */
export function halves(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, h) => halfToNumber(h));
  return halfTable;
}

// Layouts below: dequantize_row_* of ggml-quants.c. `o` walks over words, `i` over weights; four weights of 8 bits are
// handled at a time, in the bytes of one number.

const low = 0x0f0f0f0f;

const words = ({ buffer, byteOffset, byteLength }: Uint8Array) =>
  new Uint32Array(buffer, byteOffset, byteLength / 4);

/** Bit j of a number below 16, as bit 4 of byte j. */
const fifthBits = Int32Array.from({ length: 16 }, (_, n) =>
  [0, 1, 2, 3].reduce((sum, j) => sum | (((n >> j) & 1) << (8 * j + 4)), 0),
);

/** The types without offsets, by ggml's name. */
export const symmetricTypes = {
  // d, qs[16]: weights 0..15 in the low halves, 16..31 in the high ones
  Q4_0: {
    bits: 4,
    blockSize: 32,
    read(b, data, scales) {
      const half = halves();
      for (let o = 0, i = 0; i < 2 * data.length; o += 9, i += 32) {
        scales[i >> 5] = half[b[o]!]!;
        const out = i >> 1;
        for (let j = 0; j < 8; j++) {
          const q = b[o + 1 + j]!;
          data[out + j] = (q & 15) | ((q >> 4) & 0xf0);
          data[out + j + 8] = ((q >> 4) & 15) | ((q >> 8) & 0xf0);
        }
      }
    },
  },

  // as Q4_0, with a fifth bit in qh[4] before qs[16]
  Q5_0: {
    bits: 8,
    blockSize: 32,
    read(b, data, scales) {
      const half = halves();
      const four = words(data);
      for (let o = 0, i = 0; i < data.length; o += 11, i += 32) {
        scales[i >> 5] = half[b[o]!]!;
        const out = i >> 2;
        for (let j = 0; j < 4; j++) {
          const q = b[o + 3 + 2 * j]! | (b[o + 4 + 2 * j]! << 16);
          const [first, second] = [(b[o + 1]! >> (4 * j)) & 15, (b[o + 2]! >> (4 * j)) & 15];
          // 128 for the sign, less the 16 of the format.
          four[out + j] = ((q & low) | fifthBits[first]!) + 0x70707070;
          four[out + j + 4] = (((q >>> 4) & low) | fifthBits[second]!) + 0x70707070;
        }
      }
    },
  },

  // d, qs[32]
  Q8_0: {
    bits: 8,
    blockSize: 32,
    read(b, data, scales) {
      const half = halves();
      const four = words(data);
      for (let o = 0, i = 0; i < four.length; ) {
        scales[i >> 3] = half[b[o++]!]!;
        for (const end = i + 8; i < end; i++, o += 2) four[i] = (b[o]! | (b[o + 1]! << 16)) ^ 0x80808080;
      }
    },
  },

  // ql[128], qh[64], scales[16] (int8), d
  Q6_K: {
    bits: 8,
    blockSize: 16,
    read(b, data, scales) {
      const half = halves();
      const four = words(data);
      const high = 0x30303030;
      // 128 for the sign, less the 32 of the format.
      const zero = 0x60606060;
      for (let o = 0, i = 0; i < data.length; o += 105, i += 256) {
        const d = half[b[o + 104]!]!;
        for (let j = 0; j < 8; j++) {
          const pair = b[o + 96 + j]!;
          scales[(i >> 4) + 2 * j] = d * ((pair << 24) >> 24);
          scales[(i >> 4) + 2 * j + 1] = d * ((pair << 16) >> 24);
        }
        for (let part = 0; part < 2; part++) {
          // 128 weights: four of them share their place in ql and qh.
          const ql = o + part * 32;
          const qh = o + 64 + part * 16;
          const out = (i >> 2) + part * 32;
          for (let j = 0; j < 8; j++) {
            const a = b[ql + 2 * j]! | (b[ql + 2 * j + 1]! << 16);
            const c = b[ql + 2 * j + 16]! | (b[ql + 2 * j + 17]! << 16);
            const h = b[qh + 2 * j]! | (b[qh + 2 * j + 1]! << 16);
            four[out + j] = ((a & low) | ((h << 4) & high)) + zero;
            four[out + j + 8] = ((c & low) | ((h << 2) & high)) + zero;
            four[out + j + 16] = (((a >>> 4) & low) | (h & high)) + zero;
            four[out + j + 24] = (((c >>> 4) & low) | ((h >>> 2) & high)) + zero;
          }
        }
      }
    },
  },
} as const satisfies Record<string, SymmetricType>;

/** Name of a storage type without offsets. */
export type SymmetricTypeName = keyof typeof symmetricTypes;

/** Whether a storage type is one without offsets. */
export const isSymmetric = (type: string): type is SymmetricTypeName => Object.hasOwn(symmetricTypes, type);

/** Whole blocks of a type without offsets, as a matrix. */
export function readSymmetric(
  type: SymmetricTypeName,
  bytes: Uint8Array,
  shape: readonly [rows: number, columns: number],
): QuantizedMatrix {
  const { bits, blockSize, read } = symmetricTypes[type];
  const [rows, columns] = shape;
  const data = Tensor.zeros("uint8", [rows, (columns * bits) / 8]);
  const scales = Tensor.zeros("f32", [rows, columns / blockSize]);
  // At an odd place there are no words.
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  read(new Uint16Array(buffer, byteOffset, byteLength / 2), data.data as Uint8Array, scales.f32);
  return { shape, bits, blockSize, data, scales };
}
