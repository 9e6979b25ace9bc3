import { Tensor } from "./tensor.js";

const f32 = new Float32Array(1);
const bits = new Uint32Array(f32.buffer);

/** The number that 16 bits of IEEE half precision stand for. */
export function halfToNumber(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 0x1f;
  const fraction = h & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Rounds to half precision (nearest, ties to even); overflows to infinity. */
export function numberToHalf(x: number): number {
  f32[0] = x;
  const b = bits[0]!;
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal half: count of 2^-24, rounded to even.
    const scaled = Math.abs(f32[0]!) * 2 ** 24;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return sign | (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** Rounds to bfloat16 (nearest, ties to even). */
export function numberToBfloat16(x: number): number {
  f32[0] = x;
  const b = bits[0]!;
  if ((b & 0x7fffffff) > 0x7f800000) return (b >>> 16) | 0x40;
  return ((b + 0x7fff + ((b >>> 16) & 1)) >>> 16) & 0xffff;
}

let halfTable: Float32Array | undefined;

/** Any floating tensor as `f32`; an `f32` tensor is returned as it is. */
export function toF32(tensor: Tensor): Tensor {
  const { dtype, shape, data } = tensor;
  if (dtype === "f32") return tensor;
  const out = new Float32Array(tensor.size);
  if (dtype === "bf16") {
    const target = new Uint32Array(out.buffer);
    const source = data as Uint16Array;
    for (let i = 0; i < source.length; i++) target[i] = source[i]! << 16;
  } else if (dtype === "f16") {
    halfTable ??= Float32Array.from({ length: 65536 }, (_, h) => halfToNumber(h));
    const source = data as Uint16Array;
    for (let i = 0; i < source.length; i++) out[i] = halfTable[source[i]!]!;
  } else if (dtype === "f64") {
    out.set(data as Float64Array);
  } else {
    throw new TypeError(`toF32: expected a floating tensor, got ${dtype}`);
  }
  return new Tensor("f32", shape, out);
}

/** An `f32` tensor rounded to another floating type. */
export function fromF32(tensor: Tensor, dtype: "f32" | "f16" | "bf16"): Tensor {
  if (dtype === "f32") return tensor;
  const round = dtype === "f16" ? numberToHalf : numberToBfloat16;
  return new Tensor(dtype, tensor.shape, Uint16Array.from(tensor.f32, round));
}
