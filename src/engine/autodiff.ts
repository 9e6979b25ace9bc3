import { add } from "./ops/elementwise.js";
import { sum } from "./ops/reduce.js";
import { reshape, zeros } from "./ops/shape.js";
import { input, nodesOf, oldest, Parameter, scalar, substitute, Value, withScope } from "./value.js";

/** Sums a gradient over the axes along which its value was broadcast. */
function unbroadcast(g: Value, shape: readonly number[]): Value {
  const lead = g.rank - shape.length;
  const axes = g.shape
    .map((_, i) => i)
    .filter((i) => i < lead || (shape[i - lead] === 1 && g.shape[i] !== 1));
  return reshape(axes.length > 0 ? sum(g, axes, true) : g, shape);
}

/**
 * Reverse mode: the gradient of sum_i <outputs[i], grads[i]> with respect to each of `wrt`, as graph.
 * An entry is undefined where nothing flows.
 */
export function vjp(
  outputs: readonly Value[],
  grads: readonly Value[],
  wrt: readonly Value[],
): (Value | undefined)[] {
  const nodes = nodesOf(outputs, oldest(wrt));
  const needed = new Set<Value>(wrt);
  for (const node of nodes) {
    if (node.op.grad !== "none" && node.inputs.some((value) => needed.has(value))) {
      for (const value of node.outputs) needed.add(value);
    }
  }
  const gradients = new Map<Value, Value>();
  const accumulate = (value: Value, g: Value) => {
    const before = gradients.get(value);
    gradients.set(value, before ? add(before, g) : g);
  };
  for (const [i, output] of outputs.entries()) if (needed.has(output)) accumulate(output, grads[i]!);

  for (const node of nodes.reverse()) {
    const { op, inputs, outputs: results, attrs } = node;
    if (op.grad === "none" || !results.some((value) => gradients.has(value))) continue;
    const needs = inputs.map((value) => needed.has(value));
    if (!needs.includes(true)) continue;
    const { grad } = op;
    withScope(node.scope, () => {
      const flowing = results.map((value) => gradients.get(value) ?? zeros(value.dtype, value.shape));
      const inputGradients = grad({ inputs, outputs: results, attrs, grads: flowing, needs });
      for (const [i, value] of inputs.entries()) {
        const g = inputGradients[i];
        if (needs[i] && g) accumulate(value, unbroadcast(g, value.shape));
      }
    });
  }
  return wrt.map((value) => gradients.get(value));
}

/** {@link vjp} of a function at `inputs`, whatever these depend on themselves. */
export function vjpAt(
  fn: (inputs: readonly Value[]) => readonly Value[],
  inputs: readonly Value[],
  grads: readonly Value[],
): (Value | undefined)[] {
  const placeholders = inputs.map(({ dtype, shape }) => input(dtype, shape));
  const found = vjp(fn(placeholders), grads, placeholders);
  const at = new Map(placeholders.map((placeholder, i) => [placeholder, inputs[i]!]));
  return found.map((g) => g && substitute([g], at)[0]!);
}

/** d(sum of value)/d(wrt): zeros where the value does not depend on it. */
export function gradients(value: Value, wrt: readonly Value[]): Value[] {
  const one = zeros(value.dtype, value.shape);
  const found = vjp([value], [add(one, scalar(1, value.dtype))], wrt);
  return found.map((g, i) => g ?? zeros(wrt[i]!.dtype, wrt[i]!.shape));
}

/** The trainable parameters that a value depends on, in the order in which they were made. */
export function trainableParameters(value: Value): Parameter[] {
  const leaves = nodesOf([value]).map((node) => node.outputs[0]);
  return leaves.filter((leaf) => leaf instanceof Parameter && leaf.trainable) as Parameter[];
}

/** A function that gives a scalar loss, or a record with the loss as `value` and more outputs beside it. */
export type Loss<I, R extends Value | { value: Value }> = (inputs: I) => R;

/** A loss and its gradients by parameter name. */
export interface ValueAndGrads {
  value: Value;
  grads: Record<string, Value>;
}

/**
 * Turns a loss into a function that also gives its gradients by parameter name, for every trainable parameter that
 * it reads.
 * @throws Error when the loss is not a scalar.
 */
export function valueAndGrad<I, R extends Value | { value: Value }>(
  loss: Loss<I, R>,
): (inputs: I) => ValueAndGrads & (R extends Value ? unknown : R) {
  return (inputs) => {
    const result = loss(inputs);
    const outputs: { value: Value } = result instanceof Value ? { value: result } : result;
    if (outputs.value.size !== 1)
      throw new Error(`valueAndGrad: expected a scalar loss, got [${outputs.value.shape}]`);
    const parameters = trainableParameters(outputs.value);
    const grads = gradients(outputs.value, parameters);
    const byName = Object.fromEntries(parameters.map((p, i) => [p.name, grads[i]!]));
    return { ...outputs, grads: byName } as ValueAndGrads & (R extends Value ? unknown : R);
  };
}

/** Like {@link valueAndGrad}, the gradients only. */
export function grad<I, R extends Value | { value: Value }>(
  loss: Loss<I, R>,
): (inputs: I) => Record<string, Value> {
  return (inputs) => (valueAndGrad(loss)(inputs) as ValueAndGrads).grads;
}
