import { lower } from "./lower.js";
import { scanOp } from "./ops/control.js";
import { reshapeOp } from "./ops/shape.js";
import { bytesPerElement } from "./tensor.js";
import { type Body, constantOp, inputOp, nodesOf, parameterOp, type Value } from "./value.js";

/**
 * The most bytes of computed values that are alive at once while a graph runs node by node in the order in which it was
 * traced, lowered: an estimate of what a run needs beside weights and inputs. ONNX Runtime may order nodes otherwise, and one op may need room
 * inside.
 */
export function peakBytes(lowered: readonly Value[]): number {
  const nodes = nodesOf(lowered);
  const lastUse = new Map<Value, number>();
  for (const [i, node] of nodes.entries()) for (const x of node.inputs) lastUse.set(storageOf(x), i);
  for (const x of lowered) lastUse.set(storageOf(x), nodes.length);

  const dying = new Map<number, number>();
  let [alive, peak] = [0, 0];
  for (const [i, node] of nodes.entries()) {
    if (leaves.has(node.op) || node.op === reshapeOp) continue;
    for (const x of node.outputs) {
      const last = lastUse.get(x);
      if (last === undefined) continue;
      alive += byteLength(x);
      dying.set(last, (dying.get(last) ?? 0) + byteLength(x));
    }
    const inside = node.op === scanOp ? peakBytes(lower((node.attrs as { body: Body }).body.outputs)) : 0;
    peak = Math.max(peak, alive + inside);
    alive -= dying.get(i) ?? 0;
  }
  return peak;
}

const leaves = new Set([inputOp, parameterOp, constantOp]);

const byteLength = ({ size, dtype }: Value): number => size * bytesPerElement(dtype);

/** The value in whose bytes a value lies: a reshaped one has none of its own. */
function storageOf(value: Value): Value {
  return value.node.op === reshapeOp ? storageOf(value.node.inputs[0]!) : value;
}
