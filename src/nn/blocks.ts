import { checkpoint, scoped, type Value } from "../engine/index.js";
import type { ForwardContext } from "./forward-context.js";

/** A layer of a decoder: [B, S, hidden] -> [B, S, hidden]. */
export interface Block {
  forward(x: Value, context: ForwardContext): Value;
}

/** Runs blocks one after the other; with `context.checkpointing` a block's inner values are computed again in the backward pass. */
export function runBlocks(blocks: readonly Block[], x: Value, context: ForwardContext): Value {
  let h = x;
  for (const [i, block] of blocks.entries()) {
    const run = ([input]: readonly Value[]) => scoped(`layers.${i}`, () => block.forward(input!, context));
    h = context.checkpointing ? checkpoint(run, [h]) : run([h]);
  }
  return h;
}
