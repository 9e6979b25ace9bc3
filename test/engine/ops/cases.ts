import {
  accumulate,
  add,
  cast,
  checkpoint,
  concat,
  cumsum,
  customGradient,
  expand,
  flip,
  gather,
  l2norm,
  linear,
  matmul,
  max,
  mean,
  mul,
  putAlong,
  reshape,
  rmsNorm,
  rotary,
  scan,
  scatterAdd,
  slice,
  softmax,
  split,
  sum,
  takeAlong,
  tanh,
  topK,
  transpose,
  type Value,
} from "../../../src/engine/index.js";
import { fixed, given, integers, type OpCase, type Reference, real } from "../check-op.js";
import { elementwiseCases } from "./elementwise-cases.js";

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const total = (values: number[]): number => values.reduce((a, b) => a + b, 0);

/** The elements of x that a reduction over `axes` brings together at an index of the (kept) result. */
const over = (x: Reference, axes: readonly number[], index: readonly number[]): number[] =>
  axes
    .reduce((at, axis) => at.flatMap((i) => range(x.shape[axis]!).map((j) => i.with(axis, j))), [[...index]])
    .map((i) => x.at(i));

const reduction = (
  apply: (x: Value, axes?: readonly number[], keep?: boolean) => Value,
  plain: (x: number[]) => number,
): OpCase[] => [
  ...[[0], [-1], [0, 2], [0, 1, 2]].map(
    (axes): OpCase => ({
      inputs: [real(3, 1, 5)],
      apply: ([x]) => apply(x!, axes, true),
      expected: ([x], index) =>
        plain(
          over(
            x!,
            axes.map((axis) => (axis < 0 ? 2 : axis)),
            index,
          ),
        ),
    }),
  ),
  {
    inputs: [real(3, 7)],
    apply: ([x]) => apply(x!, [0]),
    expected: ([x], [j]) => plain(range(3).map((i) => x!.at([i, j!]))),
  },
  { inputs: [real(3, 7)], apply: ([x]) => apply(x!), expected: ([x]) => plain([...(x!.values as number[])]) },
];

const row = (x: Reference, index: readonly number[]): number[] => over(x, [x.shape.length - 1], index);
const norm = (x: number[]): number => Math.hypot(...x);

function matmulCase(a: number[], b: number[], transA: boolean, transB: boolean, alpha: number): OpCase {
  return {
    inputs: [real(...a), real(...b)],
    apply: ([x, y]) => matmul(x!, y!, { transA, transB, alpha }),
    expected([x, y], index) {
      const [batch, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
      return total(
        range(a.at(transA ? -2 : -1)!).map(
          (k) =>
            alpha *
            x!.at([...batch, ...(transA ? [k, i] : [i, k])]) *
            y!.at([...batch, ...(transB ? [j, k] : [k, j])]),
        ),
      );
    },
  };
}

/** Every op by its name, with the functions that apply it. */
export const cases: Readonly<Record<string, readonly OpCase[]>> = {
  ...elementwiseCases,
  sum: reduction(sum, total),
  mean: reduction(mean, (x) => total(x) / x.length),
  max: reduction(max, (x) => Math.max(...x)),
  cumsum: [0, 1, -1].map((axis) => ({
    inputs: [real(3, 1, 5)],
    apply: ([x]) => cumsum(x!, axis),
    expected: ([x], index) => {
      const a = axis < 0 ? 2 : axis;
      return total(range(index[a]! + 1).map((i) => x!.at(index.with(a, i))));
    },
  })),
  softmax: [[3, 5], [1, 7, 1], [7]].map((shape) => ({
    inputs: [real(...shape)],
    apply: ([x]) => softmax(x!),
    expected: ([x], index) => Math.exp(x!.at(index)) / total(row(x!, index).map(Math.exp)),
  })),
  rmsNorm: [[3, 5], [1, 3, 7], [1]].flatMap((shape): OpCase[] => {
    const plain = (x: Reference, index: readonly number[]) =>
      x.at(index) / Math.sqrt(norm(row(x, index)) ** 2 / shape.at(-1)! + 0.01);
    return [
      {
        inputs: [real(...shape), real(shape.at(-1)!)],
        apply: ([x, w]) => rmsNorm(x!, w!, 0.01),
        expected: ([x, w], index) => plain(x!, index) * w!.at(index),
      },
      {
        inputs: [real(...shape)],
        apply: ([x]) => rmsNorm(x!, undefined, 0.01),
        expected: ([x], index) => plain(x!, index),
      },
    ];
  }),
  l2norm: [real(3, 5), real(1, 7, 3), given([2, 3], [0, 0, 0, 0.1, -0.2, 0.1]), real(5, 1)].map((x) => ({
    inputs: [x],
    apply: ([v]) => l2norm(v!, 0.5),
    expected: ([v], index) => v!.at(index) / Math.max(norm(row(v!, index)), 0.5),
  })),
  matmul: [
    ...[false, true].flatMap((transA) =>
      [false, true].map((transB) =>
        matmulCase(transA ? [5, 3] : [3, 5], transB ? [7, 5] : [5, 7], transA, transB, 0.5),
      ),
    ),
    matmulCase([1, 1], [1, 3], false, false, 1),
    matmulCase([3, 1, 5, 7], [3, 7, 1], false, false, 1),
    matmulCase([5, 3, 7], [7, 3], false, false, 2),
    matmulCase([1, 3, 5, 3], [5, 1, 7, 3], false, true, 1),
    matmulCase([3, 5, 3], [5, 7], true, false, 1),
    matmulCase([3, 5], [7, 3, 1], true, false, 1),
    {
      inputs: [real(3, 1, 5), real(7, 5), real(7)],
      apply: ([x, w, b]) => linear(x!, w!, b!),
      expected: ([x, w, b], [i, j, o]) =>
        b!.at([o!]) + total(range(5).map((k) => x!.at([i!, j!, k]) * w!.at([o!, k]))),
    },
  ],
  rotary: [
    {
      inputs: [real(2, 3, 5, 6), fixed(real(7, 3)), fixed(real(7, 3)), integers("int64", 0, 7, 2, 5)],
      apply: ([x, c, s, p]) => rotary(x!, c!, s!, p!),
      expected([x, c, s, p], [b, h, t, d]) {
        const [half, place] = [d! % 3, p!.at([b!, t!])];
        const [first, second] = [x!.at([b!, h!, t!, half]), x!.at([b!, h!, t!, half + 3])];
        const [cosine, sine] = [c!.at([place, half]), s!.at([place, half])];
        return d! < 3 ? first * cosine - second * sine : second * cosine + first * sine;
      },
    },
  ],
  gather: [
    {
      inputs: [real(5, 3), given([2, 3], [0, 4, 4, 1, 0, 4], "int64")],
      apply: ([x, i]) => gather(x!, i!),
      expected: ([x, i], [a, b, c]) => x!.at([i!.at([a!, b!]), c!]),
    },
    {
      inputs: [real(7), given([1], [3], "int64")],
      apply: ([x, i]) => gather(x!, i!),
      expected: ([x]) => x!.at([3]),
    },
  ],
  scatterAdd: [
    {
      inputs: [given([5], [0, 2, 2, 2, 0], "int64"), real(5, 3)],
      apply: ([i, rows]) => scatterAdd([7, 3], i!, rows!),
      expected: ([i, rows], [r, c]) => total(range(5).map((k) => (i!.at([k]) === r ? rows!.at([k, c!]) : 0))),
    },
    {
      inputs: [given([1, 3], [1, 1, 0], "int64"), real(1, 3)],
      apply: ([i, rows]) => scatterAdd([3], i!, rows!),
      expected: ([i, rows], [r]) => total(range(3).map((k) => (i!.at([0, k]) === r ? rows!.at([0, k]) : 0))),
    },
  ],
  topK: [1, 3, 5].map((k) => ({
    inputs: [real(2, 3, 5)],
    apply: ([x]) => Object.values(topK(x!, k)),
    expected([x], index, output) {
      const own = row(x!, index);
      const place = own.map((_, i) => i).sort((a, b) => own[b]! - own[a]!)[index.at(-1)!]!;
      return output === 0 ? own[place]! : place;
    },
  })),
  accumulate: [0, 1, 3].flatMap((count): OpCase[] => [
    {
      // Steps are not alike, and both sums read both of the outer values.
      inputs: [real(2), real(2), real(5, 2), real(2), given([], [count], "int64")],
      apply: ([a, b, x, w, n]) =>
        accumulate(n!, [a!, b!], (i) => {
          const row = gather(x!, i);
          return [mul(tanh(row), w!), add(mul(row, w!), cast(i, row.dtype))];
        }),
      expected([a, b, x, w], [j], output) {
        const steps = range(count).map((i) => {
          const element = x!.at([i, j!]);
          return output === 0 ? Math.tanh(element) * w!.at([j!]) : element * w!.at([j!]) + i;
        });
        return (output === 0 ? a! : b!).at([j!]) + total(steps);
      },
    },
    {
      // The sum so far is read by what comes after, and one sum by another's steps.
      inputs: [real(3), real(4, 3), given([], [count], "int64")],
      apply([a, x, n]) {
        const step = (v: Value) => (i: Value) => [mul(gather(x!, i), v)];
        const first = accumulate(n!, [a!], step(a!))[0]!;
        return accumulate(n!, [first], step(first));
      },
      expected([a, x], [j]) {
        const factor = 1 + total(range(count).map((i) => x!.at([i, j!])));
        return a!.at([j!]) * factor ** 2;
      },
    },
  ]),
  takeAlong: [
    {
      inputs: [real(3, 5), given([3, 2], [0, 4, 1, 1, 3, 0], "int64")],
      apply: ([x, i]) => takeAlong(x!, i!, -1),
      expected: ([x, i], [a, b]) => x!.at([a!, i!.at([a!, b!])]),
    },
    {
      inputs: [real(5, 3), given([1, 3], [4, 0, 4], "int64")],
      apply: ([x, i]) => takeAlong(x!, i!, 0),
      expected: ([x, i], [a, b]) => x!.at([i!.at([a!, b!]), b!]),
    },
  ],
  putAlong: [
    {
      inputs: [given([3, 2], [0, 0, 4, 1, 3, 3], "int64"), real(3, 2)],
      apply: ([i, v]) => putAlong([3, 5], i!, v!, 1),
      expected: ([i, v], [a, b]) => total(range(2).map((k) => (i!.at([a!, k]) === b ? v!.at([a!, k]) : 0))),
    },
  ],
  reshape: [[5, 3], [1, 15, 1], [-1]].map((shape) => ({
    inputs: [real(3, 5)],
    apply: ([x]) => reshape(x!, shape),
    expected: ([x], index) =>
      x!.values[index.reduce((flat, i, axis) => flat * Math.abs(shape[axis]!) + i, 0)]!,
  })),
  transpose: [
    [1, 0, 2],
    [2, 0, 1],
    [2, 1, 0],
  ].map((perm) => ({
    inputs: [real(3, 1, 5)],
    apply: ([x]) => transpose(x!, perm),
    expected: ([x], index) => x!.at(range(3).map((axis) => index[perm.indexOf(axis)]!)),
  })),
  split: [
    {
      inputs: [real(3, 7)],
      apply: ([x]) => split(x!, 1, [1, 3, 3]),
      expected: ([x], [i, j], output) => x!.at([i!, j! + [0, 1, 4][output]!]),
    },
    {
      inputs: [real(5, 1)],
      // One part is left unused: zeros flow back into it.
      apply: ([x]) => split(x!, -2, [2, 3])[1]!,
      expected: ([x], [i, j]) => x!.at([i! + 2, j!]),
    },
    ...[
      [0, 3],
      [2, 5],
      [1, 4],
      [0, 5],
    ].map(
      ([start, end]): OpCase => ({
        inputs: [real(5, 3)],
        apply: ([x]) => slice(x!, 0, start!, end!),
        expected: ([x], [i, j]) => x!.at([i! + start!, j!]),
      }),
    ),
  ],
  concat: [
    {
      inputs: [real(3, 1), real(3, 5), real(3, 2)],
      apply: (parts) => concat(parts, -1),
      expected: ([a, b, c], [i, j]) =>
        j! < 1 ? a!.at([i!, 0]) : j! < 6 ? b!.at([i!, j! - 1]) : c!.at([i!, j! - 6]),
    },
    {
      inputs: [real(3)],
      apply: ([x]) => concat([x!, x!], 0),
      expected: ([x], [i]) => x!.at([i! % 3]),
    },
  ],
  expand: [
    [3, 5],
    [7, 3, 5],
    [1, 3, 5],
  ].map((shape) => ({
    inputs: [real(3, 1)],
    apply: ([x]) => expand(x!, shape),
    expected: ([x], index) => x!.at(index),
  })),
  flip: [0, 1].map((axis) => ({
    inputs: [real(3, 5)],
    apply: ([x]) => flip(x!, axis),
    expected: ([x], index) => x!.at(index.with(axis, [3, 5][axis]! - 1 - index[axis]!)),
  })),
  scan: [false, true].map((reverse) => ({
    // s <- s a + r, and the row output s b, with a and b from outside.
    inputs: [real(3), real(5, 3), real(1), real(3)],
    apply([start, rows, a, b]) {
      const result = scan({
        carry: [start!],
        rows: [rows!],
        reverse,
        body([s], [r]) {
          const next = add(mul(s!, a!), r!);
          return { carry: [next], rows: [mul(next, b!)] };
        },
      });
      return [...result.carry, ...result.before, ...result.rows];
    },
    expected([start, rows, a, b], index, output) {
      const j = index.at(-1)!;
      const steps = reverse ? range(5).reverse() : range(5);
      const states = [start!.at([j])];
      for (const t of steps) states.push(states.at(-1)! * a!.at([0]) + rows!.at([t, j]));
      if (output === 0) return states.at(-1)!;
      const step = steps.indexOf(index[0]!);
      return output === 1 ? states[step]! : states[step + 1]! * b!.at([j]);
    },
  })),
  customGradient: [
    {
      inputs: [real(3, 5)],
      apply: ([x]) => customGradient(mul(x!, x!), [x!], (g) => [mul(g, mul(x!, 2))]),
      expected: ([x], index) => x!.at(index) ** 2,
    },
  ],
  checkpoint: [
    {
      inputs: [real(3, 5), real(1), real(5)],
      apply: ([x, a, captured]) => checkpoint(([v, w]) => tanh(mul(mul(v!, w!), captured!)), [x!, a!]),
      expected: ([x, a, captured], index) => Math.tanh(x!.at(index) * a!.at([0]) * captured!.at(index)),
    },
  ],
};
