import {
  add,
  equal,
  greaterEqual,
  less,
  logicalAnd,
  maximum,
  mod,
  mul,
  reshape,
  scalar,
  sub,
  type Value,
  where,
} from "../../engine/index.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import type { DeltaRuleInputs, Unlinear } from "./delta-rule.js";
import { steps, takeTokens } from "./tail.js";

/**
 * The tokens of a pass on a grid of slots, on which the periods of a non-linear memory begin at multiples of the
 * period, wherever the rows of the batch begin.
 */
export interface PeriodGrid {
  readonly unlinear: Unlinear;
  /** Tokens to slots; a slot without a token writes nothing and keeps everything. */
  place(inputs: DeltaRuleInputs): DeltaRuleInputs;
  /** The tokens of an output over slots, [B, slots, ..] -> [B, S, ..]. */
  read(output: Value): Value;
}

/** @param reverse whether the pass is given from its end, as a sequence of its own. */
export function periodGrid(context: ForwardContext, period: number, reverse = false): PeriodGrid {
  const { length, mask } = context;
  const past = reverse ? undefined : context.past;
  if (!mask && !past) return inPlace({ period });

  const column = (x: Value) => reshape(x, [-1, 1]);
  const offset = past ? mod(column(past.seen), period) : scalar(0, "int64");
  const count = column(context.count);
  const reached = add(offset, count);
  if (length === 1) return inPlace({ period: 1, complete: equal(reached, period) });

  const slots = past ? length + period - 1 : length;
  const start = mask ? column(reverse ? sub(length, context.end) : context.start) : scalar(0, "int64");
  const order = sub(steps(slots), offset);
  const taken = logicalAnd(greaterEqual(order, 0), less(order, count));
  const token = where(taken, add(order, start), 0);
  const slot = maximum(add(sub(steps(length), start), offset), 0);
  const gates = (x: Value, empty: number) =>
    where(reshape(taken, [...taken.shape, 1, 1]), takeTokens(x, token), empty);
  return {
    unlinear: {
      period,
      complete: greaterEqual(reached, mul(add(steps(Math.floor(slots / period)), 1), period)),
    },
    place: ({ q, k, v, alpha, beta, state }) => ({
      q: takeTokens(q, token),
      k: takeTokens(k, token),
      v: takeTokens(v, token),
      alpha: alpha && gates(alpha, 1),
      beta: gates(beta, 0),
      state,
    }),
    read: (output) => takeTokens(output, slot),
  };
}

const inPlace = (unlinear: Unlinear): PeriodGrid => ({
  unlinear,
  place: (inputs) => inputs,
  read: (output) => output,
});
