import type { StoredBlocks, StoredType } from "./stored.js";
import { Tensor } from "./tensor.js";
import type { Emitter } from "./value.js";

/*
 * The nodes that read blocks as they are stored. Each wants another type and shape of the same bytes. Those of ONNX
 * Runtime's own take 2^(bits - 1) for zero when they are told none.
 */

const domain = "com.microsoft";

const scalesOf = (e: Emitter, { shape: [rows, columns], blockSize, scales }: StoredBlocks): string =>
  e.external({ dtype: "f32", shape: [rows, columns / blockSize] }, scales);

/** x [.., columns] times the matrix transposed: [.., rows]. The products are those of int8 numbers, 32 to a scale. */
export function emitBlockMatMul(e: Emitter, x: string, blocks: StoredBlocks, output: string): void {
  const { shape, bits, blockSize, data } = blocks;
  const [N, K] = shape;
  const bytes = e.external({ dtype: "uint8", shape: [N, K / blockSize, (blockSize * bits) / 8] }, data);
  const attrs = { domain, K, N, bits, block_size: blockSize, accuracy_level: 4 };
  e.node("MatMulNBits", [x, bytes, scalesOf(e, blocks)], [output], attrs);
}

/** Rows of the matrix. */
export function emitBlockGather(e: Emitter, blocks: StoredBlocks, indices: string, output: string): void {
  const { shape, bits, blockSize, data } = blocks;
  const bytes = e.external({ dtype: "uint8", shape: [shape[0], (shape[1] * bits) / 8] }, data);
  const attrs = { domain, bits, block_size: blockSize, gather_axis: 0, quantize_axis: 1 };
  e.node("GatherBlockQuantized", [bytes, indices, scalesOf(e, blocks)], [output], attrs);
}

/**
 * The matrix as f32, for whatever else reads it. Each block is a row with a scale: told of blocks, the kernel is 2 to 5 times
 * as slow.
 */
export function emitDequantized(e: Emitter, blocks: StoredBlocks, output: string): void {
  const { shape, bits, blockSize, data, scales, zeroPoints } = blocks;
  const dtype: StoredType = bits === 8 ? "uint8" : "uint4";
  const count = (shape[0] * shape[1]) / blockSize;
  const inputs = [
    e.external({ dtype, shape: [count, blockSize] }, data),
    e.external({ dtype: "f32", shape: [count] }, scales),
    e.external({ dtype, shape: [count] }, zeroPoints),
  ];
  const rows = e.fresh();
  e.node("DequantizeLinear", inputs, [rows], { axis: 0 });
  e.node("Reshape", [rows, e.constant(Tensor.int64([2], shape))], [output]);
}
