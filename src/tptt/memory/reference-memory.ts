import { add, flip, mul, transpose, type Value } from "../../engine/index.js";
import type { Projections } from "../../nn/attention.js";
import { ForwardContext } from "../../nn/forward-context.js";
import type { LinearState } from "./lcache.js";
import { applyLinearAttentionMask } from "./linear-attention-mask.js";
import { LinearAttentionOp } from "./linear-attention-op.js";
import {
  byHeads,
  gateSources,
  gatesOf,
  type LinearMemory,
  type LinearMemoryOptions,
  prepareAttentionInput,
} from "./linear-memory.js";
import { CausalAvgPool1d } from "./pooling.js";
import { VirtualTokenExpander } from "./virtual-token-expander.js";

/** What the operator reads: queries of H heads, keys, values and gates of Hkv; alpha is absent where it is 1. */
export interface OperatorInputs {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly alpha?: Value | undefined;
  readonly beta: Value;
}

/** Where {@link LinearState} keeps the last tokens of each input. */
const kept = {
  q: "expandedQueries",
  k: "expandedKeys",
  v: "expandedValues",
  alpha: "expandedAlpha",
  beta: "expandedBeta",
} as const satisfies Record<keyof OperatorInputs, keyof LinearState>;

/**
 * The memory as the Python package tptt 0.12 computes it, number for number: the form of titans that it trained.
 *
 * What it does that the exact form does not: padding counts in the pool and in the keys, only the values are zero
 * there; queries and gates pass through the trick too; the operator depends on the chunk size
 * ({@link LinearAttentionOp.chunkDeltaProductForward}). And between calls it forgets: Python saves its recurrent state
 * but never reads it again (it compares [B, H, D, D] with [B, H, n, D, D]), so that each call starts from 1e-6, with
 * nothing of earlier calls but the n - 1 tokens that the derivative trick looks back on.
 */
export class ReferenceMemory implements LinearMemory {
  readonly #options: LinearMemoryOptions;
  readonly #pool: CausalAvgPool1d;
  readonly #expander: VirtualTokenExpander;

  constructor(options: LinearMemoryOptions) {
    this.#options = options;
    this.#pool = new CausalAvgPool1d(options.poolingConfig.lookahead ? { offsets: [0, 1, 2] } : {});
    const { order, trick } = options.recurrentConfig;
    this.#expander = new VirtualTokenExpander(order, trick);
  }

  read({ q, k, v: unmasked }: Projections, context: ForwardContext, past: LinearState | undefined) {
    const { headDim, paddingSide, bidirectional } = this.#options;
    const v = context.mask ? applyLinearAttentionMask(context.mask, unmasked, paddingSide) : unmasked;
    const inputs = { ...prepareAttentionInput({ q, k, v }, headDim), ...this.computeGate(k, v) };
    const { expanded, state } = this.computeExtendedHouseholder(inputs, past);
    const forward = this.#operate(expanded);
    if (!bidirectional) return { heads: forward, state };
    const backward = flip(this.#operate(mapInputs(expanded, (x) => flip(x, 1))), 1);
    return { heads: mul(add(forward, backward), 0.5), state };
  }

  stateShapes(batch: number): LinearState<readonly number[]> {
    const { numHeads, numKeyValueHeads, headDim } = this.#options;
    return Object.fromEntries(
      (Object.keys(kept) as (keyof OperatorInputs)[])
        .filter((name) => this.#looksBack(name))
        .map((name) => [
          kept[name],
          [batch, this.#expander.lookback, name === "q" ? numHeads : numKeyValueHeads, headDim],
        ]),
    );
  }

  /** Python's `compute_gate`: alpha (absent: all ones) and beta of raw keys and values [B, S, Hkv * D]: [B, S, Hkv, D]. */
  computeGate(k: Value, v: Value): { alpha?: Value | undefined; beta: Value } {
    const { headDim, recurrentConfig } = this.#options;
    const sources = gateSources(recurrentConfig);
    const keys = sources.has("k") ? this.#pool.forward(k).value : undefined;
    const values = sources.has("v") ? this.#pool.forward(v).value : undefined;
    const { alpha, beta } = gatesOf(recurrentConfig, k, keys, values);
    return { alpha: alpha && byHeads(alpha, headDim), beta: byHeads(beta, headDim) };
  }

  /**
   * Python's `compute_extended_householder`: makes every token n virtual tokens, gates and queries too; a constant
   * gate is repeated.
   * @param past the last tokens of an earlier call.
   * @returns [B, S, H or Hkv, n, D] each, and the last tokens for the next call.
   */
  computeExtendedHouseholder(
    inputs: OperatorInputs,
    past?: LinearState,
  ): { expanded: OperatorInputs; state: LinearState } {
    const [batch, length] = inputs.q.shape as [number, number];
    const tokens = new ForwardContext({ batch, length });
    const state: Record<string, Value> = {};
    const expanded = mapInputs(inputs, (x, name) => {
      const { value, tail } = this.#expander.forward(x, tokens, past?.[kept[name]], this.#trickOf(name));
      if (tail) state[kept[name]] = tail;
      return value;
    });
    return { expanded, state };
  }

  #trickOf(name: keyof OperatorInputs) {
    const { alphaGate, betaGate, trick } = this.#options.recurrentConfig;
    const constant = (name === "alpha" && alphaGate === "c") || (name === "beta" && betaGate === "c");
    return constant ? "cte" : trick;
  }

  #looksBack(name: keyof OperatorInputs): boolean {
    return this.#expander.lookback > 0 && this.#trickOf(name) !== "cte";
  }

  /** [B, S, H, D] */
  #operate(inputs: OperatorInputs): Value {
    const { maxChunkSize, recurrentConfig } = this.#options;
    const byHead = mapInputs(inputs, (x) => transpose(x, [0, 2, 1, 3, 4]));
    const { output } = LinearAttentionOp.chunkDeltaProductForward(byHead, maxChunkSize, recurrentConfig);
    return transpose(output, [0, 2, 1, 3]);
  }
}

function mapInputs(
  { q, k, v, alpha, beta }: OperatorInputs,
  fn: (x: Value, name: keyof OperatorInputs) => Value,
): OperatorInputs {
  return {
    q: fn(q, "q"),
    k: fn(k, "k"),
    v: fn(v, "v"),
    alpha: alpha && fn(alpha, "alpha"),
    beta: fn(beta, "beta"),
  };
}
