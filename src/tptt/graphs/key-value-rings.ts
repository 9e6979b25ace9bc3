import { keepsResults, Tensor } from "../../engine/index.js";
import { compileGrowth } from "./decoding-graph.js";
import type { GraphCache } from "./graph-cache.js";
import { type MemoryMode, softmaxLayers, type TitanParts } from "./titan-parts.js";

/** One layer's part, [B, Hkv, slots, D] each. */
interface Ring {
  readonly key: Tensor;
  readonly value: Tensor;
}

/** Slots of a layer with global attention: they double as the sequence grows. */
export const ringCapacity = (tokens: number): number => 2 ** Math.ceil(Math.log2(Math.max(tokens, 256)));

/**
 * The keys and values of softmax attention, by layer: the token at position p lies in slot p mod the ring's size. On a
 * device that keeps them the graph puts new ones in their places.
 */
export class Rings {
  /** By layer index. */
  readonly slots: readonly number[];
  readonly #parts: TitanParts;
  readonly #batch: number;
  readonly #mode: MemoryMode;
  readonly #capacity: number;
  readonly #rings = new Map<number, Ring>();
  /** By shape: the zeros that layers share until something is written. */
  readonly #empty = new Map<string, Tensor>();
  /** By ring size: the position in each slot, -1 where it is empty. */
  readonly #positions = new Map<number, Tensor>();

  constructor(parts: TitanParts, batch: number, mode: MemoryMode, capacity: number) {
    this.#parts = parts;
    this.#batch = batch;
    this.#mode = mode;
    this.#capacity = capacity;
    const slots: number[] = [];
    for (const layer of softmaxLayers(parts, mode)) {
      const count = Math.min(layer.window, capacity);
      slots[layer.layerIdx] = count;
      const shape = [batch, layer.numKeyValueHeads, count, layer.headDim];
      const empty = this.#empty.get(String(shape)) ?? Tensor.zeros("f32", shape);
      this.#empty.set(String(shape), empty);
      this.#rings.set(layer.layerIdx, { key: empty, value: empty });
      if (!this.#positions.has(count)) {
        const positions = Tensor.zeros("int64", [batch, count]);
        (positions.data as BigInt64Array).fill(-1n);
        this.#positions.set(count, positions);
      }
    }
    this.slots = slots;
  }

  get byteLength(): number {
    return [...this.#rings.values()].reduce(
      (sum, { key, value }) => sum + key.byteLength + value.byteLength,
      0,
    );
  }

  inputs(): { positions: Record<string, Tensor>; keyValues: Record<string, Ring> } {
    return { positions: Object.fromEntries(this.#positions), keyValues: Object.fromEntries(this.#rings) };
  }

  /** A layer's ring, to be written. */
  own(layer: number): Ring {
    const ring = this.#rings.get(layer)!;
    const { shape } = ring.key;
    if (ring.key !== this.#empty.get(String(shape))) return ring;
    const own = { key: Tensor.zeros("f32", shape), value: Tensor.zeros("f32", shape) };
    this.#rings.set(layer, own);
    return own;
  }

  /** Where a graph puts new tokens on a device, by ring size: [B, slots, length], 1 where a token goes into a slot. */
  places(
    rows: readonly (readonly number[])[],
    seen: readonly number[],
    length: number,
  ): Record<string, Tensor> {
    const places = [...this.#positions.keys()].map((slots) => {
      const place = Tensor.zeros("f32", [this.#batch, slots, length]);
      for (const [row, { length: count }] of rows.entries()) {
        // Of more tokens than slots the last stay.
        for (let t = Math.max(0, count - slots); t < count; t++)
          place.f32[(row * slots + ((seen[row]! + t) % slots)) * length + t] = 1;
      }
      return [slots, place];
    });
    return Object.fromEntries(places);
  }

  /** Takes over what a graph gave: the keys and values of new tokens, [B, Hkv, S, D], or whole rings on a device. */
  write(
    written: Readonly<Record<string, Ring>>,
    rows: readonly (readonly number[])[],
    seen: readonly number[],
  ): void {
    if (keepsResults(this.#parts.device)) {
      for (const layer of this.#rings.keys()) this.#replace(layer, written[layer]!);
    } else this.#copy(written, rows, seen);
    for (const [slots, positions] of this.#positions) {
      for (let row = 0; row < this.#batch; row++) {
        for (let t = 0; t < rows[row]!.length; t++) {
          const position = seen[row]! + t;
          positions.data[row * slots + (position % slots)] = BigInt(position);
        }
      }
    }
  }

  #replace(layer: number, ring: Ring): void {
    const { key, value } = this.#rings.get(layer)!;
    this.#rings.set(layer, ring);
    key.dispose();
    value.dispose();
  }

  #copy(
    written: Readonly<Record<string, Ring>>,
    rows: readonly (readonly number[])[],
    seen: readonly number[],
  ): void {
    for (const [layer, { key }] of this.#rings) {
      const [, heads, slots, dim] = key.shape as [number, number, number, number];
      const length = written[layer]!.key.shape[2]!;
      // Rows that fill their rings from the first slot on are the rings.
      if (length === slots && rows.every((row, i) => row.length === slots && seen[i]! % slots === 0)) {
        this.#rings.set(layer, written[layer]!);
        continue;
      }
      const ring = this.own(layer);
      for (const part of ["key", "value"] as const) {
        const target = ring[part];
        const source = written[layer]![part];
        for (let row = 0; row < this.#batch; row++) {
          for (let head = 0; head < heads; head++) {
            const from = (row * heads + head) * length;
            const to = (row * heads + head) * slots;
            const count = rows[row]!.length;
            // As many tokens at once as follow one another in the ring.
            for (let t = 0, run = 0; t < count; t += run) {
              const slot = (seen[row]! + t) % slots;
              run = Math.min(count - t, slots - slot);
              target.f32.set(
                source.f32.subarray((from + t) * dim, (from + t + run) * dim),
                (to + slot) * dim,
              );
            }
          }
        }
      }
    }
  }

  /** Rings that hold so many tokens where attention is global: these, or larger ones with the same content. */
  async grownTo(length: number, graphs: GraphCache): Promise<Rings> {
    const capacity = ringCapacity(length);
    if (capacity <= this.#capacity) return this;
    const grown = new Rings(this.#parts, this.#batch, this.#mode, capacity);
    for (const layer of this.#rings.keys()) {
      if (keepsResults(this.#parts.device)) grown.#replace(layer, await this.#grow(layer, grown, graphs));
      for (let row = 0; row < this.#batch; row++) grown.#takeRow(layer, row, this, row);
    }
    return grown;
  }

  /**
   * Takes over what a row of other rings of the same layers holds, in the place of one's own.
   *
   * @throws Error when the rings lie on a device.
   */
  takeRow(row: number, from: Rings, fromRow: number): void {
    for (const layer of this.#rings.keys()) this.#takeRow(layer, row, from, fromRow);
  }

  /** Rings on a device are moved by a graph: of those the positions alone. */
  #takeRow(layer: number, row: number, from: Rings, fromRow: number): void {
    const [positions, fromPositions] = [this.#positionsOf(layer), from.#positionsOf(layer)];
    if (!keepsResults(this.#parts.device)) {
      for (const part of ["key", "value"] as const)
        copySlots(from.#rings.get(layer)![part], fromRow, this.own(layer)[part], row, fromPositions);
    }
    copyPositions(fromPositions, fromRow, positions, row);
  }

  /** A ring on the device with the slots that it has in `grown`. */
  async #grow(layer: number, grown: Rings, graphs: GraphCache): Promise<Ring> {
    const ring = this.#rings.get(layer)!;
    const slots = grown.slots[layer]!;
    if (slots === this.slots[layer]) return ring;
    const { dtype, shape } = ring.key;
    const graph = await graphs.get("growth", { shape, slots }, () =>
      compileGrowth(this.#parts, { dtype, shape }, slots),
    );
    const [key, value] = [await graph.run({ ring: ring.key }), await graph.run({ ring: ring.value })];
    ring.key.dispose();
    ring.value.dispose();
    return { key: key.grown, value: value.grown };
  }

  #positionsOf(layer: number): Tensor {
    return this.#positions.get(this.slots[layer]!)!;
  }
}

/** Copies a row of [B, H, slots, D] to the slots that its positions have in another ring. */
function copySlots(from: Tensor, fromRow: number, to: Tensor, toRow: number, positions: Tensor): void {
  const [, heads, slots, dim] = from.shape as [number, number, number, number];
  const size = to.shape[2]!;
  for (let slot = 0; slot < slots; slot++) {
    const position = Number(positions.data[fromRow * slots + slot]);
    if (position < 0) continue;
    for (let head = 0; head < heads; head++) {
      const source = ((fromRow * heads + head) * slots + slot) * dim;
      to.f32.set(
        from.f32.subarray(source, source + dim),
        ((toRow * heads + head) * size + (position % size)) * dim,
      );
    }
  }
}

/** Copies a row of positions [B, slots] to the slots that they have in another ring. */
function copyPositions(from: Tensor, fromRow: number, to: Tensor, toRow: number): void {
  const [slots, size] = [from.shape[1]!, to.shape[1]!];
  (to.data as BigInt64Array).fill(-1n, toRow * size, (toRow + 1) * size);
  for (let slot = 0; slot < slots; slot++) {
    const position = from.data[fromRow * slots + slot] as bigint;
    if (position >= 0n) to.data[toRow * size + (Number(position) % size)] = position;
  }
}
