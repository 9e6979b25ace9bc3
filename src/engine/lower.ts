import { checkpointOp, customGradientOp } from "./ops/control.js";
import { reshape, reshapeOp } from "./ops/shape.js";
import { unshaped, withoutReshapes } from "./sink-reshapes.js";
import type { Tensor } from "./tensor.js";
import {
  apply,
  type Body,
  constantOp,
  constantTensor,
  type Node,
  nodesOf,
  type Value,
  withScope,
} from "./value.js";

/** What makes constants equal: their bytes while they are small, else which tensor it is. */
export function constantKey(tensor: Tensor): string | Tensor {
  if (tensor.size > 256) return tensor;
  const { buffer, byteOffset, byteLength } = tensor.data;
  return `${tensor.dtype} [${tensor.shape}] ${new Uint8Array(buffer, byteOffset, byteLength).join()}`;
}

/**
 * Makes a traced graph ready to be written: puts the body in the place of every checkpoint, removes what only carried
 * a gradient rule, merges equal computations, and moves reshapes together.
 */
export function lower(outputs: readonly Value[]): Value[] {
  const known = new Map<string, readonly Value[]>();
  const constants = new Map<string | Tensor, readonly Value[]>();
  const numbers = new Map<object, number>();
  const numberOf = (x: object): number => {
    if (!numbers.has(x)) numbers.set(x, numbers.size);
    return numbers.get(x)!;
  };
  /** Attributes are plain data, but for bodies and functions: those are equal only to themselves. */
  const keyOf = (node: Node, inputs: readonly Value[]): string => {
    const attrs = JSON.stringify(node.attrs, (_, x) =>
      typeof x === "function" || (typeof x === "object" && x !== null && "placeholders" in x)
        ? `#${numberOf(x)}`
        : x,
    );
    return `${node.op.name} ${attrs} ${inputs.map((x) => `${x.node.id}.${x.index}`).join()}`;
  };

  /** The outputs of a node with these inputs. */
  const once = (node: Node, inputs: readonly Value[]): readonly Value[] => {
    const key = keyOf(node, inputs);
    if (!known.has(key)) {
      const same = inputs.every((value, i) => value === node.inputs[i]);
      const again = () => withScope(node.scope, () => apply(node.op, inputs, node.attrs));
      known.set(key, same ? node.outputs : again());
    }
    return known.get(key)!;
  };

  const reshapedOnce = (x: Value, shape: readonly number[]): Value => {
    const reshaped = withScope(x.node.scope, () => reshape(x, shape));
    return reshaped === x ? x : once(reshaped.node, reshaped.node.inputs)[0]!;
  };

  const visit = (roots: readonly Value[], done: Map<Value, Value>): Value[] => {
    for (const node of nodesOf(roots)) {
      if (node.outputs.some((value) => done.has(value))) continue;
      let results: readonly Value[] = node.outputs;
      if (node.op === constantOp) {
        const key = constantKey(constantTensor(node.outputs[0]!));
        if (!constants.has(key)) constants.set(key, node.outputs);
        results = constants.get(key)!;
      } else if (node.inputs.length > 0) {
        const inputs = node.inputs.map((value) => done.get(value)!);
        if (node.op === customGradientOp) {
          results = inputs.slice(0, node.outputs.length);
        } else if (node.op === checkpointOp) {
          const { body } = node.attrs as { body: Body };
          results = visit(body.outputs, new Map(body.placeholders.map((p, i) => [p, inputs[i]!])));
        } else if (node.op === reshapeOp) {
          results = [reshapedOnce(unshaped(inputs[0]!), node.outputs[0]!.shape)];
        } else {
          const sources = withoutReshapes(node, inputs);
          const applied = once(node, sources);
          results =
            sources === inputs ? applied : applied.map((y, i) => reshapedOnce(y, node.outputs[i]!.shape));
        }
      }
      for (const [i, value] of node.outputs.entries()) done.set(value, results[i]!);
    }
    return roots.map((value) => done.get(value)!);
  };
  return visit(outputs, new Map());
}
