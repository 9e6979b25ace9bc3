import {
  add,
  compile,
  concat,
  constant,
  expand,
  type FrozenWeights,
  maximum,
  reshape,
  slice,
  sub,
  Tensor,
  type TypeInfo,
  takeAlong,
  type Value,
  valueAndGrad,
} from "../engine/index.js";
import type { CausalLm } from "../models/causal-lm.js";
import type { Attention } from "../nn/attention.js";
import { crossEntropySum, ignoredLabel } from "../nn/cross-entropy.js";
import { ForwardContext, type PastKeyValues } from "../nn/forward-context.js";
import type { LoraLinear } from "../nn/lora.js";
import type { LCache, LinearState } from "./lcache.js";
import type { LiZAttention } from "./liza-attention.js";

/** Which of a titan's two paths a graph has: the base model alone, both, or the memory alone. */
export type MemoryMode = "off" | "mixed" | "only";

/** The symbolic side of a titan. */
export interface TitanParts {
  readonly base: CausalLm;
  readonly wrapped: readonly LiZAttention[];
  readonly lora: readonly LoraLinear[];
  readonly linearCache: LCache;
  readonly frozen: FrozenWeights;
}

/** The static side of a graph over whole sequences. */
export interface SequenceShape {
  readonly batch: number;
  readonly length: number;
  /** Whether the graph takes an attention mask. Causal graphs do without where padding is on the right. */
  readonly masked: boolean;
  readonly mode: MemoryMode;
}

const scalarType: TypeInfo = { dtype: "f32", shape: [] };
const int64 = (...shape: number[]): TypeInfo => ({ dtype: "int64", shape });
const f32 = (...shape: number[]): TypeInfo => ({ dtype: "f32", shape });

/** Sets, for the trace that follows, which paths are in the graph, and mu. */
function setMode({ wrapped, linearCache }: TitanParts, mode: MemoryMode, mu: Value): void {
  linearCache.reset();
  for (const layer of wrapped) {
    layer.disableLinearAttn = mode === "off";
    layer.memoryGate.magWeight = mode === "only" ? 1 : mu;
  }
}

const sequenceInputs = ({ batch, length, masked }: SequenceShape) => ({
  inputIds: int64(batch, length),
  ...(masked ? { mask: { dtype: "bool", shape: [batch, length] } as TypeInfo } : {}),
  mu: scalarType,
});

type SequenceInputs = { readonly inputIds: Value; readonly mask?: Value; readonly mu: Value };

/** Final hidden states, [B, S, hidden]. */
function hiddenStates(
  parts: TitanParts,
  shape: SequenceShape,
  inputs: SequenceInputs,
  checkpointing = false,
): Value {
  setMode(parts, shape.mode, inputs.mu);
  const { batch, length } = shape;
  return parts.base.forward(
    inputs.inputIds,
    new ForwardContext({ batch, length, mask: inputs.mask, checkpointing }),
  );
}

/** The sum of the next-token losses over all labels that are not -100. */
function lossSum(parts: TitanParts, hidden: Value, labels: Value): Value {
  const [batch, length, dim] = hidden.shape as [number, number, number];
  const none = constant(Tensor.int64([batch, 1], Array<number>(batch).fill(ignoredLabel)));
  const next = concat([slice(labels, 1, 1, length), none], 1);
  return crossEntropySum(
    reshape(hidden, [batch * length, dim]),
    parts.base.head,
    reshape(next, [batch * length]),
  );
}

/** Compiles token ids to logits, [B, S, vocab]. */
export function compileLogits(parts: TitanParts, shape: SequenceShape) {
  const logits = (inputs: SequenceInputs) => parts.base.logits(hiddenStates(parts, shape, inputs));
  return compile(logits, { inputs: sequenceInputs(shape), frozen: parts.frozen });
}

/** Compiles the sum of a batch's losses. */
export function compileLoss(parts: TitanParts, shape: SequenceShape) {
  return compile(
    ({ labels, ...inputs }: SequenceInputs & { labels: Value }) =>
      lossSum(parts, hiddenStates(parts, shape, inputs), labels),
    { inputs: { ...sequenceInputs(shape), labels: int64(shape.batch, shape.length) }, frozen: parts.frozen },
  );
}

/** What a training graph has beside its shape. */
export interface TrainingShape extends SequenceShape {
  readonly dropout: number;
  readonly checkpointing: boolean;
}

/** Compiles the sum of a batch's losses, with its gradient by parameter name. */
export function compileLossAndGrad(parts: TitanParts, shape: TrainingShape) {
  const inputs = {
    ...sequenceInputs(shape),
    labels: int64(shape.batch, shape.length),
    ...(shape.dropout > 0 ? { seed: int64() } : {}),
  };
  const loss = valueAndGrad(
    ({ labels, seed, ...inputs }: SequenceInputs & { labels: Value; seed?: Value }) => {
      for (const [i, layer] of parts.lora.entries()) {
        layer.dropout = seed && { rate: shape.dropout, seed: add(seed, i) };
      }
      try {
        return lossSum(parts, hiddenStates(parts, shape, inputs, shape.checkpointing), labels);
      } finally {
        for (const layer of parts.lora) layer.dropout = undefined;
      }
    },
  );
  return compile(loss, { inputs, frozen: parts.frozen });
}

/** The static side of a graph that continues sequences. */
export interface DecodingShape {
  readonly batch: number;
  /** Tokens in a call. */
  readonly length: number;
  readonly mode: MemoryMode;
  /** Slots of each layer's ring of keys and values. */
  readonly slots: readonly number[];
}

/** The attention layers that look back on keys and values. */
export function softmaxLayers({ base, wrapped }: TitanParts, mode: MemoryMode): Attention[] {
  const layers = base.attentions().map(([, layer]) => layer);
  return mode === "only" ? layers.filter((layer) => !wrapped.some((liza) => liza === layer)) : layers;
}

/** The types of what a decoding graph reads of earlier calls. */
export function pastTypes(parts: TitanParts, { batch, slots, mode }: DecodingShape) {
  const positions: Record<string, TypeInfo> = {};
  const keyValues: Record<string, { key: TypeInfo; value: TypeInfo }> = {};
  for (const layer of softmaxLayers(parts, mode)) {
    const count = slots[layer.layerIdx]!;
    const cache = f32(batch, layer.numKeyValueHeads, count, layer.headDim);
    keyValues[layer.layerIdx] = { key: cache, value: cache };
    positions[count] = int64(batch, count);
  }
  const linear: Record<string, LinearState<TypeInfo>> = {};
  if (mode !== "off") {
    for (const layer of parts.wrapped) {
      const shapes = Object.entries(layer.linearAttn.stateShapes(batch));
      linear[layer.layerIdx] = Object.fromEntries(
        shapes.map(([name, shape]) => [name, f32(...shape)]),
      ) as unknown as LinearState<TypeInfo>;
    }
  }
  return { positions, keyValues, linear };
}

interface PastInputs {
  readonly positions: Readonly<Record<string, Value>>;
  readonly keyValues: Readonly<Record<string, { readonly key: Value; readonly value: Value }>>;
  readonly linear: Readonly<Record<string, LinearState>>;
}

interface DecodingInputs {
  readonly inputIds: Value;
  readonly mask: Value;
  readonly seen: Value;
  readonly mu: Value;
  readonly past: PastInputs;
}

/**
 * Compiles one call of decoding: new tokens after what came before, to the logits at each row's last real token,
 * [B, vocab], the keys and values to be cached, and the new memories.
 */
export function compileDecoding(parts: TitanParts, shape: DecodingShape) {
  const { batch, length, mode } = shape;
  const decode = ({ inputIds, mask, seen, mu, past }: DecodingInputs) => {
    setMode(parts, mode, mu);
    for (const [layer, state] of Object.entries(past.linear)) parts.linearCache.update(Number(layer), state);
    const layers: PastKeyValues[] = [];
    for (const [layer, { key, value }] of Object.entries(past.keyValues)) {
      layers[Number(layer)] = { key, value, positions: past.positions[key.shape[2]!]! };
    }
    const context = new ForwardContext({ batch, length, mask, past: { seen, layers } });
    const hidden = parts.base.forward(inputIds, context);
    const last = reshape(maximum(sub(context.end, 1), 0), [batch, 1, 1]);
    const final = takeAlong(hidden, expand(last, [batch, 1, hidden.shape[2]!]), 1);
    return {
      logits: reshape(parts.base.logits(final), [batch, -1]),
      keyValues: Object.fromEntries(Object.entries(context.written)),
      linear: Object.fromEntries(mode === "off" ? [] : parts.linearCache.entries()),
    };
  };
  const inputs = {
    inputIds: int64(batch, length),
    mask: { dtype: "bool", shape: [batch, length] } as TypeInfo,
    seen: int64(batch),
    mu: scalarType,
    past: pastTypes(parts, shape),
  };
  return compile(decode, { inputs, frozen: parts.frozen });
}
