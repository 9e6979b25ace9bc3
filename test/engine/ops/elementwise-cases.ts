import {
  add,
  cast,
  cos,
  div,
  equal,
  erf,
  exp,
  gelu,
  geluExact,
  greaterEqual,
  less,
  log,
  logicalAnd,
  maximum,
  minimum,
  mod,
  mul,
  neg,
  sigmoid,
  silu,
  sin,
  sqrt,
  sub,
  tanh,
  type Value,
  where,
} from "../../../src/engine/index.js";
import { given, integers, type OpCase, positive, real, type Sample } from "../check-op.js";

type Unary = (x: Value) => Value;
type Binary = (a: Value, b: Value) => Value;

/** An elementwise function of one input. */
const unary = (apply: Unary, plain: (x: number) => number, input: (...shape: number[]) => Sample = real) =>
  [[3, 5], [1], [7, 1, 3], []].map(
    (shape): OpCase => ({
      inputs: [input(...shape)],
      apply: ([x]) => apply(x!),
      expected: ([x], index) => plain(x!.at(index)),
    }),
  );

/** Pairs of shapes that broadcast in every way. */
const pairs: [number[], number[]][] = [
  [
    [3, 5],
    [3, 5],
  ],
  [
    [7, 1, 5],
    [3, 1],
  ],
  [[1], [3, 5]],
  [[3, 1, 5, 1], [7]],
  [[5], []],
];

/** An elementwise function of two inputs. */
const binary = (
  apply: Binary,
  plain: (a: number, b: number) => number,
  first: (...shape: number[]) => Sample = real,
  second = first,
) =>
  pairs.map(
    ([a, b]): OpCase => ({
      inputs: [first(...a), second(...b)],
      apply: ([x, y]) => apply(x!, y!),
      expected: ([x, y], index) => plain(x!.at(index), y!.at(index)),
    }),
  );

const bool = (...shape: number[]) => integers("bool", 0, 2, ...shape);
const whole = (...shape: number[]) => integers("int64", -9, 9, ...shape);
const nonzero = (...shape: number[]) => integers("int64", 1, 5, ...shape);

/** erf by its power series, which is exact enough up to |x| = 4. */
function erfOf(x: number): number {
  if (Math.abs(x) > 4) return Math.sign(x);
  let [term, total] = [x, x];
  for (let n = 1; n < 120; n++) {
    term *= -(x ** 2) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}
/** Its approximation by tanh, from the definition. */
const geluOf = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** The ops that work element by element. */
export const elementwiseCases: Readonly<Record<string, readonly OpCase[]>> = {
  add: binary(add, (a, b) => a + b),
  sub: binary(sub, (a, b) => a - b),
  mul: binary(mul, (a, b) => a * b),
  div: [
    ...binary(div, (a, b) => a / b, real, positive),
    ...binary(div, (a, b) => Math.trunc(a / b), whole, nonzero),
  ],
  neg: unary(neg, (x) => -x),
  exp: unary(exp, Math.exp),
  log: unary(log, Math.log, positive),
  sqrt: unary(sqrt, Math.sqrt, positive),
  sigmoid: unary(sigmoid, (x) => 1 / (1 + Math.exp(-x))),
  tanh: unary(tanh, Math.tanh),
  cos: unary(cos, Math.cos),
  sin: unary(sin, Math.sin),
  erf: [...unary(erf, erfOf), ...unary(geluExact, (x) => 0.5 * x * (1 + erfOf(x * Math.SQRT1_2)))].map(
    (opCase) => ({ ...opCase, single: true as const }),
  ),
  gelu: [
    ...unary(gelu, geluOf).filter(({ inputs }) => inputs[0]!.shape.length > 0),
    ...unary(gelu, geluOf, () => given([5], [0, -0.1, 4, -4, 9])),
  ],
  silu: [
    ...unary(silu, (x) => x / (1 + Math.exp(-x))),
    ...unary(
      silu,
      (x) => x / (1 + Math.exp(-x)),
      () => given([4], [0, 5, -5, 30]),
    ),
  ],
  maximum: [...binary(maximum, Math.max), ...binary(maximum, Math.max, whole)],
  minimum: [...binary(minimum, Math.min), ...binary(minimum, Math.min, whole)],
  less: [...binary(less, (a, b) => +(a < b)), ...binary(less, (a, b) => +(a < b), whole)],
  greaterEqual: binary(greaterEqual, (a, b) => +(a >= b), whole),
  equal: [...binary(equal, (a, b) => +(a === b), nonzero), ...binary(equal, (a, b) => +(a === b), bool)],
  logicalAnd: binary(logicalAnd, (a, b) => a & b, bool),
  mod: binary(mod, (a, b) => ((a % b) + b) % b, whole, nonzero),
  where: pairs.map(([a, b]) => ({
    inputs: [bool(a.at(-1)!), real(...a), real(...b)],
    apply: ([c, x, y]) => where(c!, x!, y!),
    expected: ([c, x, y], index) => (c!.at(index) ? x!.at(index) : y!.at(index)),
  })),
  cast: [
    ...unary(
      (x) => cast(cast(x, "f64"), x.dtype),
      (x) => x,
    ),
    ...unary((x) => cast(x, "int64"), Math.trunc),
    ...unary(
      (x) => add(cast(cast(x, "int64"), x.dtype), x),
      (x) => Math.trunc(x) + x,
    ),
    ...unary(
      (x) => cast(x, "bool"),
      (x) => +(x !== 0),
      whole,
    ),
    ...unary(
      (x) => cast(x, "f32"),
      (x) => x,
      bool,
    ),
  ],
};
