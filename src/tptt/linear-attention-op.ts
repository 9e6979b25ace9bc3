import { add, flip, mul, type Value } from "../engine/index.js";
import { type DeltaRuleInputs, deltaRule, fastestChunk, type Unlinear } from "./delta-rule.js";

/** How {@link LinearAttentionOp} computes. */
export interface LinearAttentionOpOptions {
  /** Tokens in a chunk, at most; also the period of a non-linear memory. */
  readonly maxChunkSize: number;
  /** False: the memory passes through `unlinearActivation` after every `maxChunkSize` tokens. */
  readonly linear: boolean;
  /** The mean of a pass from the front and one from the back; for attention that is not causal. */
  readonly bidirectional: boolean;
}

/** The linear attention operator: the exact delta rule over virtual tokens, in one or both directions. */
export class LinearAttentionOp {
  readonly #options: LinearAttentionOpOptions;

  constructor(options: LinearAttentionOpOptions) {
    this.#options = options;
  }

  /**
   * @param periodEnds bool [B, S], true where a token ends a period of the sequence; absent when the tokens stand at
   * 0, 1, 2.. Only a non-linear memory asks for it.
   * @returns the output [B, S, H, D] and the memory [B, Hkv, D, D].
   */
  forward(inputs: DeltaRuleInputs, periodEnds?: Value): { output: Value; state: Value } {
    const { maxChunkSize, linear, bidirectional } = this.#options;
    const chunk = Math.min(maxChunkSize, fastestChunk(inputs.q.shape.at(-1)!));
    const unlinear: Unlinear | undefined = linear ? undefined : { period: maxChunkSize, ends: periodEnds };
    const forward = deltaRule(inputs, chunk, unlinear);
    if (!bidirectional) return forward;
    const back = (x: Value | undefined) => x && flip(x, 1);
    const { q, k, v, alpha, beta } = inputs;
    const reversed = { q: flip(q, 1), k: flip(k, 1), v: flip(v, 1), alpha: back(alpha), beta: flip(beta, 1) };
    const backward = deltaRule(reversed, chunk, linear ? undefined : { period: maxChunkSize });
    return { output: mul(add(forward.output, flip(backward.output, 1)), 0.5), state: forward.state };
  }
}
