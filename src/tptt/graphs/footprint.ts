import { sizeOf } from "../../engine/index.js";
import type { Backbone } from "../../models/backbone.js";
import { LiZAttention } from "../layer/liza-attention.js";
import { ringCapacity } from "./key-value-rings.js";
import type { MemoryMode } from "./titan-parts.js";

const bytesPerNumber = 4; // f32

/** Bytes that a {@link Decoder} remembers of one sequence after so many tokens: keys and values, and the memories. */
export function decoderBytes(base: Backbone, mode: MemoryMode, tokens: number): number {
  let numbers = 0;
  for (const [, layer] of base.attentions()) {
    const hasMemory = layer instanceof LiZAttention && mode !== "off";
    if (hasMemory) {
      for (const shape of Object.values(layer.stateShapes(1))) numbers += sizeOf(shape);
    }
    if (hasMemory && mode === "only") continue;
    const slots = Math.min(layer.window, ringCapacity(tokens));
    numbers += 2 * layer.numKeyValueHeads * slots * layer.headDim;
  }
  return numbers * bytesPerNumber;
}
