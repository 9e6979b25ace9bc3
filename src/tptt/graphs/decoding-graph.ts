import {
  add,
  compile,
  concat,
  constant,
  keepsResults,
  matmul,
  maximum,
  mul,
  reshape,
  sub,
  sum,
  Tensor,
  type TypeInfo,
  takeRows,
  type Value,
  zeros,
} from "../../engine/index.js";
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

/** Whether rows may have fewer tokens than a call: a row by itself has its one token. */
export const isMasked = ({ batch, length }: DecodingShape): boolean => batch > 1 || length > 1;

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

/**
 * Where new tokens go in rings that are on a device: by ring size, [B, slots, length], 1 where a token is put into a slot.
 */
function placesTypes({ batch, length, slots }: DecodingShape): Record<string, TypeInfo> {
  return Object.fromEntries(Object.values(slots).map((count) => [count, f32(batch, count, length)]));
}

/** A ring [B, H, slots, D] with new tokens [B, H, length, D] in their places. */
function overwritten(ring: Value, tokens: Value, places: Value): Value {
  const [batch, slots, length] = places.shape as [number, number, number];
  const oneHot = reshape(places, [batch, 1, slots, length]);
  return add(mul(ring, sub(1, sum(oneHot, [-1], true))), matmul(oneHot, tokens));
}

interface KeyValue {
  readonly key: Value;
  readonly value: Value;
}

interface PastInputs {
  readonly positions: Readonly<Record<string, Value>>;
  readonly keyValues: Readonly<Record<string, KeyValue>>;
  readonly linear: Readonly<Record<string, LinearState>>;
}

interface DecodingInputs {
  readonly inputIds: Value;
  readonly mask?: Value;
  readonly seen: Value;
  readonly mu: Value;
  readonly past: PastInputs;
  readonly places?: Readonly<Record<string, Value>>;
}

/**
 * Compiles one call of decoding: new tokens after what came before, to the hidden state of each row's last real token,
 * [B, hidden], the keys and values to be cached, and the new memories. A device that can keep them does, and gets the rings
 * of keys and values whole, the new ones in their places.
 */
export function compileDecoding(parts: TitanParts, shape: DecodingShape) {
  const { batch, length, mode } = shape;
  const decode = ({ inputIds, mask, seen, mu, past, places }: DecodingInputs) => {
    setMode(parts, mode, mu);
    for (const [layer, state] of Object.entries(past.linear)) parts.linearCache.update(Number(layer), state);
    const layers: PastKeyValues[] = [];
    for (const [layer, { key, value }] of Object.entries(past.keyValues)) {
      layers[Number(layer)] = { key, value, positions: past.positions[key.shape[2]!]! };
    }
    const context = new ForwardContext({ batch, length, mask, past: { seen, layers } });
    const hidden = parts.base.forward(inputIds, context);
    const written = Object.entries(context.written).map(([layer, tokens]): [string, KeyValue] => {
      if (!places) return [layer, tokens];
      const { key, value } = past.keyValues[layer]!;
      const into = (ring: Value, part: Value) => overwritten(ring, part, places[ring.shape[2]!]!);
      return [layer, { key: into(key, tokens.key), value: into(value, tokens.value) }];
    });
    const linear = mode === "off" ? [] : [...parts.linearCache.entries()];
    const remembered = [...written, ...linear].flatMap(([, state]) => Object.values(state) as Value[]);
    return {
      hidden: lastTokens(hidden, context, remembered),
      keyValues: Object.fromEntries(written),
      linear: Object.fromEntries(linear),
    };
  };
  const inputs = {
    inputIds: int64(batch, length),
    ...(isMasked(shape) ? { mask: { dtype: "bool", shape: [batch, length] } as TypeInfo } : {}),
    seen: int64(batch),
    mu: muType(parts),
    past: pastTypes(parts, shape),
    ...(keepsResults(parts.device) ? { places: placesTypes(shape) } : {}),
  };
  const { frozen, device } = parts;
  const keep = ["hidden", "linear", "keyValues"];
  return compile(decode, { inputs, frozen, device, keep, takesTurns: true });
}

/**
 * The last real token of each row, [B, hidden]; of a row without one, any. What the last layer does after its memories and
 * its keys it does for these alone.
 */
function lastTokens(
  hidden: Value,
  { batch, length, end }: ForwardContext,
  remembered: readonly Value[],
): Value {
  if (length === 1) return reshape(hidden, [batch, -1]);
  const first = constant(
    Tensor.int64(
      [batch],
      Array.from({ length: batch }, (_, row) => row * length),
    ),
  );
  return takeRows(hidden, add(first, maximum(sub(end, 1), 0)), remembered);
}

/** Compiles a ring that is on a device, to one with more slots. A ring that grows has never been full: the new are its last. */
export function compileGrowth(parts: TitanParts, ring: TypeInfo, slots: number) {
  const { dtype, shape } = ring;
  const more = zeros(dtype, shape.with(2, slots - shape[2]!));
  return compile(({ ring }) => ({ grown: concat([ring, more], 2) }), {
    inputs: { ring },
    device: parts.device,
    keep: ["grown"],
  });
}
