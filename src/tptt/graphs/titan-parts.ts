import {
  type Device,
  type FrozenWeights,
  mul,
  split,
  type TypeInfo,
  type Value,
} from "../../engine/index.js";
import type { Backbone } from "../../models/backbone.js";
import type { Attention } from "../../nn/attention.js";
import type { LoraLinear } from "../../nn/lora.js";
import type { LiZAttention } from "../layer/liza-attention.js";
import type { LCache } from "../memory/lcache.js";

/** Which of a titan's two paths a graph has: the base model alone, both, or the memory alone. */
export type MemoryMode = "off" | "mixed" | "only";

/** The symbolic side of a titan. */
export interface TitanParts {
  readonly base: Backbone;
  readonly wrapped: readonly LiZAttention[];
  readonly lora: readonly LoraLinear[];
  readonly linearCache: LCache;
  readonly frozen: FrozenWeights;
  /** Where the graphs run. */
  readonly device: Device;
}

/** The type of mu as an input of a graph: one share for each titanized layer. */
export const muType = ({ wrapped }: TitanParts): TypeInfo => ({ dtype: "f32", shape: [wrapped.length] });

/**
 * Sets, for the trace that follows, which paths are in the graph, and mu ({@link muType}).
 *
 * @param ramp what mu is multiplied by, token by token: [1, S, 1].
 */
export function setMode(parts: TitanParts, mode: MemoryMode, mu: Value, ramp?: Value): void {
  setPaths(parts, mode);
  parts.linearCache.reset();
  const shares = split(
    mu,
    0,
    parts.wrapped.map(() => 1),
  );
  for (const [i, layer] of parts.wrapped.entries()) {
    layer.memory_gate.magWeight = mode === "only" ? 1 : ramp ? mul(shares[i]!, ramp) : shares[i]!;
  }
}

/** The attention layers that look back on keys and values, with the windows that they have in this mode. */
export function softmaxLayers(parts: TitanParts, mode: MemoryMode): Attention[] {
  setPaths(parts, mode);
  const layers = parts.base.attentions().map(([, layer]) => layer);
  return mode === "only" ? layers.filter((layer) => !parts.wrapped.some((liza) => liza === layer)) : layers;
}

function setPaths({ wrapped }: TitanParts, mode: MemoryMode): void {
  for (const layer of wrapped) layer.disableLinearAttn = mode === "off";
}

/** The longest sequence that a titan can read: without softmax attention nothing depends on rotary positions. */
export function longestSequence(parts: TitanParts, mode: MemoryMode): number {
  const limited = parts.base.learnedPositions || softmaxLayers(parts, mode).length > 0;
  return limited ? parts.base.config.maxPositionEmbeddings : Number.POSITIVE_INFINITY;
}
