import {
  cast,
  expand,
  l2norm,
  mul,
  reshape,
  scalar,
  sigmoid,
  silu,
  type Value,
  where,
} from "../../engine/index.js";
import type { Projections } from "../../nn/attention.js";
import type { ForwardContext } from "../../nn/forward-context.js";
import { scaled } from "../../nn/layers.js";
import type { LinearState } from "./lcache.js";
import { LinearAttentionOp } from "./linear-attention-op.js";
import { gateSources, type LinearMemory, type LinearMemoryOptions } from "./linear-memory.js";
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
    const { numHeads, numKeyValueHeads, headDim } = this.#options;
    const heads = (x: Value, count: number) => reshape(x, [context.batch, context.length, count, headDim]);
    const real = context.mask && reshape(cast(context.mask, q.dtype), [context.batch, context.length, 1]);
    const v = real ? mul(unmasked, real) : unmasked;

    const gates = this.computeGate(k, v, context, past);
    const features = {
      k: l2norm(silu(heads(k, numKeyValueHeads)), 1e-6),
      v: scaled(heads(v, numKeyValueHeads), headDim ** -0.5),
    };
    const atPadding = real && reshape(real, [context.batch, context.length, 1, 1]);
    const keys = this.#expander.forward(
      atPadding ? mul(features.k, atPadding) : features.k,
      context,
      past?.expandedKeys,
    );
    const values = this.#expander.forward(features.v, context, past?.expandedValues);

    const { output, state } = this.#operator.forward(
      {
        q: l2norm(silu(heads(q, numHeads)), 1e-6),
        k: keys.value,
        v: values.value,
        alpha: gates.alpha && heads(gates.alpha, numKeyValueHeads),
        beta: heads(gates.beta, numKeyValueHeads),
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
    const { alphaGate, betaGate } = this.#options.recurrentConfig;
    const sources = gateSources(this.#options.recurrentConfig);
    const keys = sources.has("k") ? this.#pool.forward(k, context, past?.pooledKeys) : undefined;
    const values = sources.has("v") ? this.#pool.forward(v, context, past?.pooledValues) : undefined;
    const forget = keys && sigmoid(keys.value);
    const write = values && sigmoid(values.value);
    const gate = { k: forget, v: write, kv: forget && write && mul(forget, write), c: undefined };
    const real = context.mask && reshape(context.mask, [context.batch, context.length, 1]);

    const alpha = gate[alphaGate];
    const beta = gate[betaGate] ?? expand(scalar(0.5, k.dtype), k.shape);
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
