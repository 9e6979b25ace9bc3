import { halfToNumber } from "../engine/half.js";

/**
 * How a storage type of GGUF tensors is laid out whose weights are a scale times a signed whole number: others have an
 * offset in each block too.
 */
interface SymmetricType {
  /** Bits that hold the numbers without loss. */
  readonly bits: 4 | 8;
  /** Weights that share a scale. */
  readonly blockSize: 16 | 32;
  /** Reads whole blocks: `quants` gets a number for each weight, `scales` one for each `blockSize` of them. */
  read(b: Uint8Array, quants: Int8Array, scales: Float32Array): void;
}

let halfTable: Float32Array | undefined;

/** The numbers of all 65536 halves. */
export function halves(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, h) => halfToNumber(h));
  return halfTable;
}

// Layouts below: dequantize_row_* of ggml-quants.c. `o` walks over bytes, `i` over weights.

/** The types without offsets, by ggml's name. */
export const symmetricTypes = {
  Q4_0: {
    bits: 4,
    blockSize: 32,
    read(b, quants, scales) {
      const half = halves();
      for (let o = 0, i = 0; i < quants.length; o += 18, i += 32) {
        scales[i >> 5] = half[b[o]! | (b[o + 1]! << 8)]!;
        for (let j = 0; j < 16; j++) {
          const q = b[o + 2 + j]!;
          quants[i + j] = (q & 15) - 8;
          quants[i + j + 16] = (q >> 4) - 8;
        }
      }
    },
  },

  Q5_0: {
    bits: 8,
    blockSize: 32,
    read(b, quants, scales) {
      const half = halves();
      for (let o = 0, i = 0; i < quants.length; o += 22, i += 32) {
        scales[i >> 5] = half[b[o]! | (b[o + 1]! << 8)]!;
        const high = b[o + 2]! | (b[o + 3]! << 8) | (b[o + 4]! << 16) | (b[o + 5]! << 24);
        for (let j = 0; j < 16; j++) {
          const q = b[o + 6 + j]!;
          quants[i + j] = ((q & 15) | (((high >>> j) & 1) << 4)) - 16;
          quants[i + j + 16] = ((q >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16;
        }
      }
    },
  },

  Q8_0: {
    bits: 8,
    blockSize: 32,
    read(b, quants, scales) {
      const half = halves();
      for (let o = 0, i = 0; i < quants.length; o += 34, i += 32) {
        scales[i >> 5] = half[b[o]! | (b[o + 1]! << 8)]!;
        for (let j = 0; j < 32; j++) quants[i + j] = b[o + 2 + j]!;
      }
    },
  },

  // ql[128], qh[64], scales[16] (int8), d
  Q6_K: {
    bits: 8,
    blockSize: 16,
    read(b, quants, scales) {
      const half = halves();
      for (let o = 0, i = 0; i < quants.length; o += 210, i += 256) {
        const d = half[b[o + 208]! | (b[o + 209]! << 8)]!;
        for (let j = 0; j < 16; j++) scales[(i >> 4) + j] = d * ((b[o + 192 + j]! << 24) >> 24);
        for (let part = 0; part < 2; part++) {
          // 128 weights: four of them share their place in ql and qh.
          const ql = o + part * 64;
          const qh = o + 128 + part * 32;
          const out = i + part * 128;
          for (let l = 0; l < 32; l++) {
            const a = b[ql + l]!;
            const c = b[ql + l + 32]!;
            const high = b[qh + l]!;
            quants[out + l] = ((a & 15) | ((high & 3) << 4)) - 32;
            quants[out + l + 32] = ((c & 15) | ((high & 12) << 2)) - 32;
            quants[out + l + 64] = ((a >> 4) | (high & 48)) - 32;
            quants[out + l + 96] = ((c >> 4) | ((high & 192) >> 2)) - 32;
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

/** The whole numbers and scales of blocks. */
export function readQuants(type: SymmetricTypeName, bytes: Uint8Array, count: number) {
  const { bits, blockSize, read } = symmetricTypes[type];
  const quants = new Int8Array(count);
  const scales = new Float32Array(count / blockSize);
  read(bytes, quants, scales);
  return { bits, blockSize, quants, scales };
}
