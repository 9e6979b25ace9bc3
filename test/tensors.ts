import type { Tensor } from "../src/engine/index.js";
import { openSafetensorsFile } from "../src/io/safetensors.js";

/** Every tensor of a safetensors file. */
export async function readTensors(path: string): Promise<Map<string, Tensor>> {
  const file = await openSafetensorsFile(path);
  try {
    const tensors = new Map<string, Tensor>();
    for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
    return tensors;
  } finally {
    await file.close();
  }
}

/** max |a - b|; NaN when anything is not a number. */
export function largestDifference(a: Tensor, b: Tensor): number {
  if (String(a.shape) !== String(b.shape)) throw new Error(`[${a.shape}] is compared with [${b.shape}]`);
  return a.f32.reduce((worst, x, i) => Math.max(worst, Math.abs(x - b.f32[i]!)), 0);
}

/** max |a - b| / max |b|, or max |a - b| when b is 0. */
export function relativeDifference(a: Tensor, b: Tensor): number {
  const largest = b.f32.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  return largestDifference(a, b) / (largest || 1);
}
