import type { Tensor } from "../../../src/engine/index.js";
import { Random } from "../../../src/random.js";
import { deltaRuleOfHead, feature, type HeadInputs, type Matrix, type Vector } from "./reference.js";
import { tensorOf } from "./run.js";

type Kind = "random" | "alike" | "equal" | "opposite";

/** Random inputs of the operator. */
export interface Problem {
  readonly batch?: number;
  readonly length: number;
  readonly heads?: number;
  readonly groups?: number;
  readonly dim?: number;
  readonly order?: number;
  readonly keys?: Kind;
  /** Draws the forget gate of a channel; absent: no gate. */
  readonly alpha?: (random: Random) => number;
  readonly initial?: boolean;
  readonly seed?: number;
}

const round = (x: readonly number[]): Vector => x.map(Math.fround);

/** Sequences as the operator takes them, nested [B][S][heads].. */
export function sample({
  batch = 2,
  length,
  heads = 4,
  groups = 2,
  dim = 6,
  order = 1,
  keys = "random",
  alpha,
  initial = true,
  seed = 0,
}: Problem) {
  const random = Random.for(seed, "delta rule", length, order, keys);
  const vector = () => Array.from({ length: dim }, () => random.normal());
  const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make);
  const common = vector();
  let sign = 1;
  const key = (): Vector => {
    sign = -sign;
    if (keys === "random") return round(feature(vector()));
    const noise = keys === "alike" ? 0.1 : 0;
    const raw = common.map((x) => (keys === "opposite" ? sign : 1) * (x + noise * random.normal()));
    const length = Math.hypot(...raw);
    return round(raw.map((x) => x / length));
  };
  const gates = (make: () => number) =>
    times(batch, () => times(length, () => times(groups, () => round(times(dim, make)))));
  const virtual = (make: () => Vector) =>
    times(batch, () => times(length, () => times(groups, () => times(order, make))));
  return {
    q: times(batch, () => times(length, () => times(heads, () => round(feature(vector()))))),
    k: virtual(key),
    v: virtual(() => round(vector())),
    beta: gates(() => random.uniform()),
    ...(alpha ? { alpha: gates(() => alpha(random)) } : {}),
    ...(initial ? { state: times(batch, () => times(groups, () => times(dim, () => round(vector())))) } : {}),
  };
}
export type Sample = ReturnType<typeof sample>;

/** What plain loops give for them. */
export function reference({ q, k, v, alpha, beta, state }: Sample, period?: number) {
  const output = q.map((row) => row.map((token) => token.map(() => [] as Vector)));
  const last = k.map((row) => row[0]!.map(() => [] as Matrix));
  for (const [b, row] of q.entries()) {
    const heads = row[0]!.length;
    const groups = k[0]![0]!.length;
    for (let h = 0; h < heads; h++) {
      const g = Math.floor(h / (heads / groups));
      const inputs: HeadInputs = {
        q: row.map((token) => token[h]!),
        k: k[b]!.map((token) => token[g]!),
        v: v[b]!.map((token) => token[g]!),
        beta: beta[b]!.map((token) => token[g]!),
        alpha: (alpha ?? beta)[b]!.map((token) => (alpha ? token[g]! : token[g]!.map(() => 1))),
        ...(state ? { state: state[b]![g]! } : {}),
      };
      const result = deltaRuleOfHead(inputs, period);
      for (const [t, o] of result.output.entries()) output[b]![t]![h] = o;
      last[b]![g] = result.state;
    }
  }
  return { output, state: last };
}

export const tensors = (inputs: Sample) =>
  Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, tensorOf(x)])) as {
    [K in keyof Required<Sample>]: Tensor;
  };
