import { checkpoint, type Value } from "../engine/index.js";
import type { ForwardContext } from "./forward-context.js";

/** A layer of a decoder: [B, S, hidden] -> [B, S, hidden]. */
export interface Block {
  forward(x: Value, context: ForwardContext): Value;
}

/** Runs blocks one after the other; with `context.checkpointing` a block's inner values are computed again in the backward pass. */
export function runBlocks(blocks: readonly Block[], x: Value, context: ForwardContext): Value {
  let h = x;
  for (const block of blocks) {
    h = context.checkpointing
      ? checkpoint(([input]) => block.forward(input!, context), [h])
      : block.forward(h, context);
  }
  return h;
}
