import {
  compile,
  expand,
  maximum,
  reshape,
  sub,
  type TypeInfo,
  takeAlong,
  type Value,
} from "../../engine/index.js";
import { asLanguageModel } from "../../models/language-model.js";
import { ForwardContext, type PastKeyValues } from "../../nn/forward-context.js";
import type { LinearState } from "../memory/lcache.js";
import { type MemoryMode, muType, setMode, softmaxLayers, type TitanParts } from "./titan-parts.js";

const int64 = (...shape: number[]): TypeInfo => ({ dtype: "int64", shape });
const f32 = (...shape: number[]): TypeInfo => ({ dtype: "f32", shape });

/** The static side of a graph that continues sequences. */
export interface DecodingShape {
  readonly batch: number;
  /** Tokens in a call. */
  readonly length: number;
  readonly mode: MemoryMode;
  /** Slots of each layer's ring of keys and values. */
  readonly slots: readonly number[];
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
      const shapes = Object.entries(layer.stateShapes(batch));
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
 * [B, vocab], the keys and values to be cached, and the new memories, which stay on the device if it can keep them.
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
      logits: reshape(asLanguageModel(parts.base).logits(final), [batch, -1]),
      keyValues: Object.fromEntries(Object.entries(context.written)),
      linear: Object.fromEntries(mode === "off" ? [] : parts.linearCache.entries()),
    };
  };
  const inputs = {
    inputIds: int64(batch, length),
    mask: { dtype: "bool", shape: [batch, length] } as TypeInfo,
    seen: int64(batch),
    mu: muType(parts),
    past: pastTypes(parts, shape),
  };
  return compile(decode, { inputs, frozen: parts.frozen, device: parts.device, keep: ["linear"] });
}
