import {
  cast,
  expand,
  l2norm,
  mul,
  reshape,
  rmsNorm,
  scalar,
  sigmoid,
  silu,
  type Value,
  where,
} from "../engine/index.js";
import type { Projections } from "../nn/attention.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { scaled } from "../nn/layers.js";
import type { RecurrentConfig } from "./config.js";
import type { LCache, LinearState } from "./lcache.js";
import { LinearAttentionOp } from "./linear-attention-op.js";
import { CausalAvgPool1d } from "./pooling.js";
import { VirtualTokenExpander } from "./virtual-token-expander.js";

/** What a {@link LinearAttention} is made of. */
export interface LinearAttentionOptions {
  readonly layerIdx: number;
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly recurrentConfig: RecurrentConfig;
  readonly maxChunkSize: number;
  readonly bidirectional: boolean;
  readonly linearCache: LCache;
}

/**
 * Linear attention over the projections of a softmax layer (TPTT, arXiv 2506.17671): gates from the pooled keys and
 * values, queries and keys normed after silu (DeltaNet, arXiv 2406.06484), virtual tokens, the delta rule, and the
 * merged heads divided by their RMS.
 */
export class LinearAttention {
  readonly #options: LinearAttentionOptions;
  readonly #pool = new CausalAvgPool1d();
  readonly #expander: VirtualTokenExpander;
  readonly #operator: LinearAttentionOp;

  constructor(options: LinearAttentionOptions) {
    this.#options = options;
    const { recurrentConfig, maxChunkSize, bidirectional } = options;
    const { order, trick, linear } = recurrentConfig;
    this.#expander = new VirtualTokenExpander(order, trick);
    this.#operator = new LinearAttentionOp({ maxChunkSize, linear, bidirectional });
  }

  /**
   * Reads and writes the layer's state in the linear cache.
   * @param projections raw: q [B, S, H * D], k and v [B, S, Hkv * D].
   * @returns the merged heads, [B, S, H * D], before the output projection.
   */
  forward({ q, k, v: unmasked }: Projections, context: ForwardContext): Value {
    const { layerIdx, numHeads, numKeyValueHeads, headDim, linearCache } = this.#options;
    const past = context.past ? linearCache.get(layerIdx) : undefined;
    const heads = (x: Value, count: number) => reshape(x, [context.batch, context.length, count, headDim]);
    const real = context.mask && reshape(cast(context.mask, q.dtype), [context.batch, context.length, 1]);
    const v = real ? mul(unmasked, real) : unmasked;

    const gates = this.#gates(k, v, context, past);
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
    linearCache.update(layerIdx, {
      recurrentState: state,
      ...gates.tails,
      ...(keys.tail && values.tail ? { expandedKeys: keys.tail, expandedValues: values.tail } : {}),
    });
    return rmsNorm(reshape(output, [context.batch, context.length, numHeads * headDim]), undefined, 1e-6);
  }

  /** What the layer keeps between calls, by shape: the input of a graph that continues a sequence. */
  stateShapes(batch: number): LinearState<readonly number[]> {
    const { numKeyValueHeads, headDim, recurrentConfig } = this.#options;
    const features = numKeyValueHeads * headDim;
    const pooled = (name: "k" | "v") => this.#gateSources().has(name);
    const expanded = [batch, this.#expander.lookback, numKeyValueHeads, headDim];
    return {
      recurrentState: [batch, numKeyValueHeads, headDim, headDim],
      ...(pooled("k") ? { pooledKeys: [batch, 2, features] } : {}),
      ...(pooled("v") ? { pooledValues: [batch, 2, features] } : {}),
      ...(recurrentConfig.order > 1 && this.#expander.lookback > 0
        ? { expandedKeys: expanded, expandedValues: expanded }
        : {}),
    };
  }

  /** Which projections the gates are made of. */
  #gateSources(): Set<string> {
    const { alphaGate, betaGate } = this.#options.recurrentConfig;
    return new Set([...alphaGate, ...betaGate]);
  }

  /** alpha (absent: all ones) and beta, [B, S, Hkv * D]. Padding keeps everything and writes nothing. */
  #gates(k: Value, v: Value, context: ForwardContext, past: LinearState | undefined) {
    const { alphaGate, betaGate } = this.#options.recurrentConfig;
    const sources = this.#gateSources();
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
