import { compile, matmul, sum, Tensor } from "#dist/engine/index.js";
import { type LimitWork, type Prepared, time } from "../work.js";

/** The sizes that are timed: a product [M, K] x [K, N] like those of a training step, and an array beyond any cache. */
const [m, k, n] = [512, 2048, 8192];
const numbers = 2 ** 26;
export const productGflop = (2 * m * k * n) / 1e9;
export const readingBytes = 4 * numbers;

/** One large f32 product, or one reading of a large array, on all threads. */
export async function prepareLimit({ kind }: LimitWork): Promise<Prepared> {
  const ones = (...shape: [number, number]) =>
    Tensor.f32(shape, new Float32Array(shape[0] * shape[1]).fill(1));
  const inputs = kind === "product" ? [ones(m, k), ones(k, n)] : [ones(64, numbers / 64)];
  const graph = await compile(([a, b]) => [b ? matmul(a!, b) : sum(a!, [1])], {
    inputs: inputs.map(({ shape }) => ({ dtype: "f32" as const, shape })),
  });
  return { repeat: () => time(() => graph.run(inputs)), release: () => graph.release() };
}
