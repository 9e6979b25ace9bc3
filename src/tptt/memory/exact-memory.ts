import { cast, mul, reshape, type Value, where } from "../../engine/index.js";
import type { Projections } from "../../nn/attention.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import type { LinearState } from "./lcache.js";
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

/**
 * The memory as the paper has it (TPTT, arXiv 2506.17671): gates from the pooled keys and values belong to the token,
 * its keys and values become virtual tokens, and the delta rule is exact. The same whatever the chunk size, whole or
 * token by token, padded or not.
 */
export class ExactMemory implements LinearMemory {
  readonly #options: LinearMemoryOptions;
  readonly #pool = new CausalAvgPool1d();
  readonly #expander: VirtualTokenExpander;
  readonly #operator: LinearAttentionOp;

  constructor(options: LinearMemoryOptions) {
    this.#options = options;
    const { recurrentConfig, maxChunkSize, bidirectional } = options;
    const { order, trick, linear } = recurrentConfig;
    this.#expander = new VirtualTokenExpander(order, trick);
    this.#operator = new LinearAttentionOp({ maxChunkSize, linear, bidirectional });
  }

  read({ q, k, v: unmasked }: Projections, context: ForwardContext, past: LinearState | undefined) {
    const { headDim } = this.#options;
    const real = context.mask && reshape(cast(context.mask, q.dtype), [context.batch, context.length, 1]);
    const v = real ? mul(unmasked, real) : unmasked;

    const gates = this.computeGate(k, v, context, past);
    const features = prepareAttentionInput({ q, k, v }, headDim);
    const atPadding = real && reshape(real, [context.batch, context.length, 1, 1]);
    const keys = this.#expander.forward(
      atPadding ? mul(features.k, atPadding) : features.k,
      context,
      past?.expandedKeys,
    );
    const values = this.#expander.forward(features.v, context, past?.expandedValues);

    const { output, state } = this.#operator.forward(
      {
        q: features.q,
        k: keys.value,
        v: values.value,
        alpha: gates.alpha && byHeads(gates.alpha, headDim),
        beta: byHeads(gates.beta, headDim),
        state: past?.recurrentState,
      },
      context,
    );
    return {
      heads: output,
      state: {
        recurrentState: state,
        ...gates.tails,
        ...(keys.tail && values.tail ? { expandedKeys: keys.tail, expandedValues: values.tail } : {}),
      },
    };
  }

  stateShapes(batch: number): LinearState<readonly number[]> {
    const { numKeyValueHeads, headDim, recurrentConfig } = this.#options;
    const features = numKeyValueHeads * headDim;
    const sources = gateSources(recurrentConfig);
    const pooled = [batch, this.#pool.lookback, features];
    const expanded = [batch, this.#expander.lookback, numKeyValueHeads, headDim];
    return {
      recurrentState: [batch, numKeyValueHeads, headDim, headDim],
      ...(sources.has("k") ? { pooledKeys: pooled } : {}),
      ...(sources.has("v") ? { pooledValues: pooled } : {}),
      ...(recurrentConfig.order > 1 && this.#expander.lookback > 0
        ? { expandedKeys: expanded, expandedValues: expanded }
        : {}),
    };
  }

  /**
   * alpha (absent: all ones) and beta, [B, S, Hkv * D], and the tails of the pool. Padding keeps everything and writes
   * nothing.
   */
  computeGate(k: Value, v: Value, context: ForwardContext, past?: LinearState) {
    const { recurrentConfig } = this.#options;
    const sources = gateSources(recurrentConfig);
    const keys = sources.has("k") ? this.#pool.forward(k, context, past?.pooledKeys) : undefined;
    const values = sources.has("v") ? this.#pool.forward(v, context, past?.pooledValues) : undefined;
    const { alpha, beta } = gatesOf(recurrentConfig, k, keys?.value, values?.value);
    const real = context.mask && reshape(context.mask, [context.batch, context.length, 1]);
    return {
      alpha: alpha && real ? where(real, alpha, 1) : alpha,
      beta: real ? where(real, beta, 0) : beta,
      tails: {
        ...(keys?.tail ? { pooledKeys: keys.tail } : {}),
        ...(values?.tail ? { pooledValues: values.tail } : {}),
      },
    };
  }
}
