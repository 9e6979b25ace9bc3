import type { Tensor } from "../../engine/index.js";

/**
 * Python's `describe`: prints a tensor's shape, its smallest and largest element, their mean and standard deviation
 * (of a sample, n - 1), its dtype and where it lies: always `cpu`, for tensors are in host memory.
 */
export function describe(x: Tensor, name = "tensor"): void {
  const values = Array.from<number | bigint, number>(x.data, Number);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const min = values.reduce((a, b) => Math.min(a, b));
  const max = values.reduce((a, b) => Math.max(a, b));
  const shape = x.shape.length === 1 ? `(${x.shape[0]},)` : `(${x.shape.join(", ")})`;
  console.log(
    `${name} shape: ${shape}, min: ${general(min)}, max: ${general(max)}, mean: ${general(mean)}, std: ${general(Math.sqrt(variance))}, dtype: ${x.dtype}, device: cpu`,
  );
}

/** C's `%.4g`: four digits, without zeros at the end. */
function general(x: number): string {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  const [digits, power] = x.toExponential(3).split("e") as [string, string];
  const exponent = Number(power);
  const plain = exponent >= -4 && exponent < 4;
  const shown = plain ? x.toFixed(3 - exponent) : digits;
  const trimmed = shown.includes(".") ? shown.replace(/\.?0+$/, "") : shown;
  const sign = exponent < 0 ? "-" : "+";
  return plain ? trimmed : `${trimmed}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
