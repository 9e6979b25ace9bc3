import { cast, constant, customGradient, matmul, mul, sub, Tensor, type Value } from "../../engine/index.js";

/** Which cells of a matrix are wanted, by row and column. */
export type Cell = (i: number, j: number) => boolean;

/** x [.., rows, columns] where the cells are wanted, else 0. `key` names the pattern. */
export function masked(x: Value, cell: Cell, key: string): Value {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const cells = pattern(rows, columns, (i, j) => Number(cell(i, j)), key);
  return cells.f32.every((wanted) => wanted === 1) ? x : mul(x, cast(constant(cells), x.dtype));
}

/** x [.., C, C] as it is, for what reads nothing but the cells below its diagonal: a gradient flows to no others. */
export function belowDiagonal(x: Value): Value {
  return customGradient(x, [x], (g) => [masked(g, (i, j) => j < i, "strictly lower")]);
}

/**
 * (I + A)^-1 of strictly lower triangular A [.., C, C], by blocks of 2, 4, 8..: as stable as forward substitution. The
 * Neumann series costs the same but is not usable: keys of real models are alike, and its powers overflow. Reads only
 * what is below the diagonal.
 */
export function unitLowerInverse(A: Value): Value {
  const size = A.shape.at(-1)!;
  let T = cast(constant(pattern(size, size, (i, j) => Number(i === j), "diagonal")), A.dtype);
  for (let half = 1; half < size; half *= 2) {
    // The lower left quarter of every diagonal block of twice the size.
    const corner = masked(A, corners(half), `corners ${half}`);
    T = sub(T, half === 1 ? corner : matmul(matmul(T, corner), T));
  }
  // d(I + A)^-1 = -T dA T
  return customGradient(T, [A], (g) => [
    matmul(matmul(T, g, { transA: true }), T, { transB: true, alpha: -1 }),
  ]);
}

/** Pairs of a row in the second and a column in the first half of the same block of `2 * half`. */
export const corners =
  (half: number): Cell =>
  (i, j) =>
    Math.floor(i / (2 * half)) === Math.floor(j / (2 * half)) &&
    i % (2 * half) >= half &&
    j % (2 * half) < half;

/** One tensor for each pattern, so that all layers of a graph share it. */
const patterns = new Map<string, Tensor>();

/** A matrix of given numbers; `key` names the pattern. */
export function pattern(
  rows: number,
  columns: number,
  cell: (i: number, j: number) => number,
  key: string,
): Tensor {
  const full = `${rows} ${columns} ${key}`;
  let tensor = patterns.get(full);
  if (!tensor) {
    const cells = Array.from({ length: rows * columns }, (_, i) =>
      cell(Math.floor(i / columns), i % columns),
    );
    tensor = Tensor.f32([rows, columns], cells);
    patterns.set(full, tensor);
  }
  return tensor;
}
