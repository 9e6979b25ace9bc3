import type { RecurrentConfig, Trick } from "../../../src/tptt/config/operator-config.js";

/*
 * The method as plain loops over tokens, in float64, for one sequence without padding.
 */

export type Vector = readonly number[];
/** Rows of numbers: usually [S][features]. */
export type Matrix = readonly Vector[];

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
export const dot = (a: Vector, b: Vector) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
export const norm = (x: Vector) => Math.sqrt(dot(x, x));
export const rms = (x: Vector, eps: number) => Math.sqrt(dot(x, x) / x.length + eps);
export const scale = (x: Vector, factor: number) => x.map((e) => e * factor);
const plus = (a: Vector, b: Vector) => a.map((x, i) => x + b[i]!);

/** Mean of tokens t, t - 1 and t - 2, the first standing in for those before it. */
export const pool = (x: Matrix): Matrix =>
  x.map((row, t) =>
    row.map((_, c) => [0, 1, 2].reduce((sum, lag) => sum + x[Math.max(t - lag, 0)]![c]!, 0) / 3),
  );

/** l2norm(silu(x)). */
export function feature(x: Vector): Vector {
  const y = x.map((e) => e * sigmoid(e));
  return scale(y, 1 / Math.max(norm(y), 1e-6));
}

/** Virtual tokens [S][n][D] of tokens [S][D]. */
export function expandTokens(x: Matrix, n: number, trick: Trick): readonly Matrix[] {
  const choose = (m: number, k: number) => range(k).reduce((c, i) => (c * (m - i)) / (i + 1), 1);
  const coefficients = range(n).map((i) => (-1) ** i * choose(n - 1, i));
  const total = coefficients.reduce((sum, c) => sum + Math.abs(c), 0);
  const derivative = (t: number, j: number) =>
    x[t]!.map((_, d) => (t - j < 0 ? 0 : x[t - j]![d]!) * (coefficients[n - 1 - j]! / total));
  const rotated = (t: number, m: number) => {
    const [cos, sin] = [Math.cos((2 * Math.PI * m) / n), Math.sin((2 * Math.PI * m) / n)];
    const row = x[t]!;
    return row.map((e, d) => {
      if (d === row.length - 1 && d % 2 === 0) return e;
      return d % 2 === 0 ? e * cos - row[d + 1]! * sin : row[d - 1]! * sin + e * cos;
    });
  };
  const token = {
    dt: derivative,
    rot: rotated,
    rdt: (t: number, j: number) => scale(plus(derivative(t, j), rotated(t, j)), 0.5),
    cte: (t: number) => x[t]!,
  }[trick];
  return x.map((_, t) => range(n).map((j) => token(t, j)));
}

/** (x / 2) gelu(2 x / |x|) over each row. */
export const unlinear = (S: Matrix): Matrix =>
  S.map((row) => {
    const length = norm(row) + 1e-6;
    return row.map((x) => (x / 2) * gelu((2 * x) / length));
  });

/** One head: q [S][D], virtual keys and values [S][n][D], gates [S][D], state [D_key][D_value]. */
export interface HeadInputs {
  readonly q: Matrix;
  readonly k: readonly Matrix[];
  readonly v: readonly Matrix[];
  readonly alpha: Matrix;
  readonly beta: Matrix;
  readonly state?: Matrix;
}

/** The exact delta rule, token by token; a non-linear memory has a period. */
export function deltaRuleOfHead(
  { q, k, v, alpha, beta, state }: HeadInputs,
  period = Number.POSITIVE_INFINITY,
): { output: Matrix; state: Matrix } {
  const dim = q[0]!.length;
  let S = range(dim).map((i) => (state ? [...state[i]!] : range(dim).map(() => 0)));
  const output = q.map((query, t) => {
    for (const row of S) for (let e = 0; e < dim; e++) row[e]! *= alpha[t]![e]!;
    for (const [j, key] of k[t]!.entries()) {
      const residual = v[t]![j]!.map((value, e) => {
        let erased = 0;
        for (let d = 0; d < dim; d++) erased += beta[t]![d]! * key[d]! * S[d]![e]!;
        return beta[t]![e]! * value - erased;
      });
      for (let d = 0; d < dim; d++) for (let e = 0; e < dim; e++) S[d]![e]! += key[d]! * residual[e]!;
    }
    const read = range(dim).map((e) => query.reduce((sum, x, d) => sum + x * S[d]![e]!, 0));
    if ((t + 1) % period === 0) S = unlinear(S).map((row) => [...row]);
    return read;
  });
  return { output, state: S };
}

/** What the method is told of a layer. */
export interface LayerShape {
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly recurrentConfig: RecurrentConfig;
  readonly maxChunkSize: number;
  readonly bidirectional?: boolean;
}

export interface RawProjections {
  /** [S][H * D] */
  readonly q: Matrix;
  /** [S][Hkv * D] */
  readonly k: Matrix;
  readonly v: Matrix;
}

/** The whole memory path from the raw projections to the merged heads over their RMS, [S][H * D]. */
export function linearAttention({ q, k, v }: RawProjections, shape: LayerShape): Matrix {
  const { numHeads, numKeyValueHeads, headDim, recurrentConfig, maxChunkSize, bidirectional } = shape;
  const { order, alphaGate, betaGate, linear, trick } = recurrentConfig;
  const [forget, write] = [k, v].map((x) => pool(x).map((row) => row.map(sigmoid))) as [
    number[][],
    number[][],
  ];
  const gate = (name: "k" | "v" | "kv" | "c", constant: number) =>
    k.map((row, t) =>
      row.map((_, c) => {
        const [f, w] = [forget[t]![c]!, write[t]![c]!];
        return { k: f, v: w, kv: f * w, c: constant }[name];
      }),
    );
  const alpha = gate(alphaGate, 1);
  const beta = gate(betaGate, 0.5);
  const head = (x: Matrix, h: number) => x.map((row) => row.slice(h * headDim, (h + 1) * headDim));

  const outputs = range(numHeads).map((h) => {
    const kv = Math.floor(h / (numHeads / numKeyValueHeads));
    const inputs: HeadInputs = {
      q: head(q, h).map(feature),
      k: expandTokens(head(k, kv).map(feature), order, trick),
      v: expandTokens(
        head(v, kv).map((row) => scale(row, headDim ** -0.5)),
        order,
        trick,
      ),
      alpha: head(alpha, kv),
      beta: head(beta, kv),
    };
    const period = linear ? undefined : maxChunkSize;
    const { output } = deltaRuleOfHead(inputs, period);
    if (!bidirectional) return output;
    const reversed = Object.fromEntries(
      Object.entries(inputs).map(([name, rows]) => [name, rows.toReversed()]),
    ) as unknown as HeadInputs;
    const backward = deltaRuleOfHead(reversed, period).output.toReversed();
    return output.map((row, t) => scale(plus(row, backward[t]!), 0.5));
  });
  return q.map((_, t) => {
    const merged = outputs.flatMap((output) => output[t]!);
    return scale(merged, 1 / rms(merged, 1e-6));
  });
}

/** x [S][in] times W^T, W [out][in]. */
export const project = (x: Matrix, weight: Matrix): Matrix => x.map((row) => weight.map((w) => dot(row, w)));

/** Causal softmax attention with rotary embeddings, the last `window` tokens: [S][H * D]. */
export function softmaxAttention(
  { q, k, v }: RawProjections,
  { numHeads, numKeyValueHeads, headDim }: LayerShape,
  theta: number,
  window: number,
): Matrix {
  const turn = (row: Vector, h: number, t: number) => {
    const x = row.slice(h * headDim, (h + 1) * headDim);
    const half = headDim / 2;
    return x.map((e, i) => {
      const angle = t * theta ** ((-2 * (i % half)) / headDim);
      return e * Math.cos(angle) + (i < half ? -x[i + half]! : x[i - half]!) * Math.sin(angle);
    });
  };
  return q.map((row, t) =>
    range(numHeads).flatMap((h) => {
      const kv = Math.floor(h / (numHeads / numKeyValueHeads));
      const seen = range(t + 1).filter((j) => t - j < window);
      const query = turn(row, h, t);
      const weights = seen.map((j) => Math.exp(dot(query, turn(k[j]!, kv, j)) / Math.sqrt(headDim)));
      const total = weights.reduce((a, b) => a + b, 0);
      return range(headDim).map((d) =>
        seen.reduce((sum, j, i) => sum + (weights[i]! / total) * v[j]![kv * headDim + d]!, 0),
      );
    }),
  );
}

/** How a titanized layer mixes its two paths. */
export interface Mixing {
  /** Of all tokens, or of each. */
  readonly mu: number | Vector;
  readonly crossGate?: boolean | undefined;
  readonly baseScaleAttn?: boolean | undefined;
}

/** Memory as Gate over the two projected outputs, [S][hidden]. */
export function mix(softmax: Matrix, linear: Matrix, { mu, crossGate, baseScaleAttn }: Mixing): Matrix {
  return softmax.map((base, t) => {
    const share = typeof mu === "number" ? mu : mu[t]!;
    const fromAttention = scale(base, 1 - share);
    const fromMemory = scale(linear[t]!, share * (baseScaleAttn ? rms(base, 1e-5) : 1));
    return fromAttention.map((a, i) => a + fromMemory[i]! + (crossGate ? a * fromMemory[i]! : 0));
  });
}

/** A learned mu of each token: x [S][C], a causal convolution over 16 tokens with kernel [C][16]. */
export const learnedMu = (x: Matrix, kernel: Matrix, bias: number): Vector =>
  x.map((_, t) => {
    const logit = kernel.reduce(
      (sum, taps, i) => taps.reduce((sum, tap, j) => sum + tap * (x[t - 15 + j]?.[i] ?? 0), sum),
      bias,
    );
    return 0.1 + 0.8 * sigmoid(logit);
  });
