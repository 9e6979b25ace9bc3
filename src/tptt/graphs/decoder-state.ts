import { compile, keepsResults, mul, sameShape, Tensor } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { snakeCase } from "../../io/field-names.js";
import { LCache, type LinearState } from "../memory/lcache.js";
import { type DecodingShape, pastTypes } from "./decoding-graph.js";
import type { GraphCache } from "./graph-cache.js";
import { Rings, ringCapacity } from "./key-value-rings.js";
import { longestSequence, type MemoryMode, softmaxLayers, type TitanParts } from "./titan-parts.js";

/*
 * What a decoder remembers, under names: `linear_cache.3.recurrent_state` for the parts of a memory, and
 * `past_key_values.3.key` and `.value`, [B, Hkv, T, D], for the last T tokens that a layer's softmax attention can look
 * back on, in order; a row with fewer has zeros before them. How large the rings are does not show.
 */

const memoryName = (layer: number | string, part: string) => `linear_cache.${layer}.${snakeCase(part)}`;
const keyValueName = (layer: number | string, part: "key" | "value") => `past_key_values.${layer}.${part}`;
const keyAndValue = ["key", "value"] as const;

/** What a decoder remembers, and its settings that say what of it there is. */
export interface Remembered {
  readonly mode: MemoryMode;
  /** How many tokens each row has read. */
  readonly seen: readonly number[];
}

/** The shapes of all tensors of a state by name: all f32. */
function stateShapes(parts: TitanParts, { mode, seen }: Remembered): Map<string, readonly number[]> {
  const batch = seen.length;
  const shapes = new Map<string, readonly number[]>();
  for (const layer of softmaxLayers(parts, mode)) {
    const tokens = Math.min(Math.max(...seen), layer.window);
    for (const part of keyAndValue) {
      const shape = [batch, layer.numKeyValueHeads, tokens, layer.headDim];
      shapes.set(keyValueName(layer.layerIdx, part), shape);
    }
  }
  if (mode === "off") return shapes;
  for (const layer of parts.wrapped) {
    for (const [part, shape] of Object.entries(layer.stateShapes(batch)))
      shapes.set(memoryName(layer.layerIdx, part), shape);
  }
  return shapes;
}

/** The memories before the first token. */
export function zeroMemories(parts: TitanParts, shape: DecodingShape): LCache<Tensor> {
  const memories = new LCache<Tensor>();
  for (const [layer, state] of Object.entries(pastTypes(parts, shape).linear)) {
    const zeros = Object.entries(state).map(([name, type]) => [name, Tensor.zeros("f32", type.shape)]);
    memories.update(Number(layer), Object.fromEntries(zeros));
  }
  return memories;
}

/** Copies what is remembered into tensors of their own, from whatever device it is on. */
export async function copyState(
  parts: TitanParts,
  { seen }: Remembered,
  rings: Rings,
  memories: LCache<Tensor>,
  graphs: GraphCache,
): Promise<Map<string, Tensor>> {
  const state = new Map<string, Tensor>();
  const host = (tensor: Tensor) => (keepsResults(parts.device) ? download(parts, tensor, graphs) : tensor);
  for (const [layer, ring] of Object.entries(rings.inputs().keyValues)) {
    const window = rings.slots[Number(layer)]!;
    for (const part of keyAndValue) {
      const slots = await host(ring[part]);
      const [batch, heads, , dim] = slots.shape as [number, number, number, number];
      const tokens = Tensor.zeros("f32", [batch, heads, Math.min(Math.max(...seen), window), dim]);
      moveTokens(slots, tokens, seen, "out of the ring");
      state.set(keyValueName(layer, part), tokens);
    }
  }
  for (const [layer, memory] of memories.entries()) {
    for (const [part, tensor] of Object.entries(memory) as [string, Tensor][])
      state.set(memoryName(layer, part), (await host(tensor)).clone());
  }
  return state;
}

/**
 * Rings and memories with the content of a state.
 *
 * @throws InputError naming the tensor that is missing, unknown, or of another type or shape.
 */
export function restoreState(
  parts: TitanParts,
  { mode, seen }: Remembered,
  state: ReadonlyMap<string, Tensor>,
  where: string,
): { rings: Rings; memories: LCache<Tensor> } {
  checkState(parts, { mode, seen }, state, where);
  const rings = new Rings(parts, seen.length, mode, ringCapacity(Math.max(...seen)));
  const { keyValues, positions } = rings.inputs();
  for (const layer of Object.keys(keyValues)) {
    const ring = rings.own(Number(layer));
    for (const part of keyAndValue)
      moveTokens(ring[part], state.get(keyValueName(layer, part))!, seen, "into the ring");
  }
  for (const [slots, held] of Object.entries(positions)) setPositions(held, Number(slots), seen);
  const memories = new LCache<Tensor>();
  if (mode !== "off") {
    for (const layer of parts.wrapped) {
      const names = Object.keys(layer.stateShapes(seen.length)) as (keyof LinearState)[];
      const memory = names.map((part) => [part, state.get(memoryName(layer.layerIdx, part))!.clone()]);
      memories.update(layer.layerIdx, Object.fromEntries(memory));
    }
  }
  return { rings, memories };
}

/** @throws InputError naming the tensor that is missing, unknown, or of another type or shape. */
function checkState(
  parts: TitanParts,
  remembered: Remembered,
  state: ReadonlyMap<string, Tensor>,
  where: string,
): void {
  const longest = longestSequence(parts, remembered.mode);
  const impossible = remembered.seen.find(
    (count) => !(Number.isSafeInteger(count) && count >= 0 && count <= longest),
  );
  if (impossible !== undefined)
    throw new InputError(`${where}: seen`, `is ${impossible}, expected a number of tokens up to ${longest}`);
  const expected = stateShapes(parts, remembered);
  for (const [name, shape] of expected) {
    const found = state.get(name);
    if (found?.dtype === "f32" && sameShape(found.shape, shape)) continue;
    throw new InputError(
      `${where}: tensor ${name}`,
      `is ${found ? `${found.dtype} [${found.shape}]` : "missing"}, expected f32 [${shape}]; the state belongs to another model or is damaged`,
    );
  }
  const unknown = [...state.keys()].find((name) => !expected.has(name));
  if (unknown === undefined) return;
  throw new InputError(
    `${where}: tensor ${unknown}`,
    "is nothing that this model remembers; the state belongs to another model or is damaged",
  );
}

/**
 * Copies the last tokens between a ring [B, H, slots, D], where position p is in slot p mod slots, and tokens in order,
 * [B, H, T, D].
 */
function moveTokens(
  ring: Tensor,
  tokens: Tensor,
  seen: readonly number[],
  direction: "out of the ring" | "into the ring",
): void {
  const [, heads, slots, dim] = ring.shape as [number, number, number, number];
  const count = tokens.shape[2]!;
  for (const [row, end] of seen.entries()) {
    for (let t = Math.max(0, count - end); t < count; t++) {
      const slot = (end - count + t) % slots;
      for (let head = 0; head < heads; head++) {
        const inRing = ((row * heads + head) * slots + slot) * dim;
        const inOrder = ((row * heads + head) * count + t) * dim;
        if (direction === "into the ring") ring.f32.set(tokens.f32.subarray(inOrder, inOrder + dim), inRing);
        else tokens.f32.set(ring.f32.subarray(inRing, inRing + dim), inOrder);
      }
    }
  }
}

/** The position in each slot of rings of a size, [B, slots]. */
function setPositions(positions: Tensor, slots: number, seen: readonly number[]): void {
  for (const [row, end] of seen.entries()) {
    for (let position = Math.max(0, end - slots); position < end; position++)
      positions.data[row * slots + (position % slots)] = BigInt(position);
  }
}

/** A copy of a tensor that lies on the device. */
async function download(parts: TitanParts, tensor: Tensor, graphs: GraphCache): Promise<Tensor> {
  if (!tensor.deviceBuffer) return tensor;
  const { dtype, shape } = tensor;
  const graph = await graphs.get("download", { dtype, shape }, () =>
    compile(({ tensor }) => ({ copy: mul(tensor, 1) }), {
      inputs: { tensor: { dtype, shape } },
      device: parts.device,
    }),
  );
  return (await graph.run({ tensor })).copy;
}
