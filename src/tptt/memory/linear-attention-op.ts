import { add, flip, mul, type Value } from "../../engine/index.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import { chunkDeltaProductForward } from "./delta-product-scan.js";
import { type DeltaRuleInputs, deltaRule, fastestChunk } from "./delta-rule.js";
import { periodGrid } from "./period-grid.js";

/** How {@link LinearAttentionOp} computes. */
export interface LinearAttentionOpOptions {
  /** Tokens in a chunk, at most; also the period of a non-linear memory. */
  readonly maxChunkSize: number;
  /** False: the memory passes through `unlinearActivation` after every `maxChunkSize` tokens of the sequence. */
  readonly linear: boolean;
  /** The mean of a pass from the front and one from the back; for attention that is not causal. */
  readonly bidirectional: boolean;
}

/**
 * The linear attention operator: the exact delta rule over virtual tokens (DeltaProduct, Siems et al., arXiv
 * 2502.10297), in one or both directions.
 */
export class LinearAttentionOp {
  /** The operator of the Python package tptt 0.12, for titans that it trained. */
  static readonly chunkDeltaProductForward = chunkDeltaProductForward;
  readonly #options: LinearAttentionOpOptions;

  constructor(options: LinearAttentionOpOptions) {
    this.#options = options;
  }

  /**
   * Reads and writes a memory, token by token.
   *
   * @param inputs shapes as in {@link DeltaRuleInputs}.
   * @returns the output [B, S, H, D] and the memory after the pass from the front, [B, Hkv, D, D].
   */
  forward(inputs: DeltaRuleInputs, context: ForwardContext): { output: Value; state: Value } {
    const forward = this.#pass(inputs, context, false);
    if (!this.#options.bidirectional) return forward;
    const { q, k, v, alpha, beta } = inputs;
    const back = (x: Value) => flip(x, 1);
    const reversed = { q: back(q), k: back(k), v: back(v), alpha: alpha && back(alpha), beta: back(beta) };
    const backward = this.#pass(reversed, context, true);
    return { output: mul(add(forward.output, back(backward.output)), 0.5), state: forward.state };
  }

  #pass(inputs: DeltaRuleInputs, context: ForwardContext, reverse: boolean): { output: Value; state: Value } {
    const { maxChunkSize, linear } = this.#options;
    const [order, dim] = inputs.k.shape.slice(3) as [number, number];
    const chunk = Math.min(maxChunkSize, fastestChunk(dim, order));
    if (linear) return deltaRule(inputs, chunk);
    const grid = periodGrid(context, maxChunkSize, reverse);
    const { output, state } = deltaRule(grid.place(inputs), chunk, grid.unlinear);
    return { output: grid.read(output), state };
  }
}
