import { vjp } from "../autodiff.js";
import { defineOp, shapeError } from "../op.js";
import { sameShape } from "../tensor.js";
import { apply, type Body, close, input, type Op, substitute, type Value } from "../value.js";
import { add } from "./elementwise.js";
import { zeros } from "./shape.js";

interface Accumulate {
  /** Placeholders: the step's number, then the captured values. Outputs: what the step adds. */
  readonly body: Body;
}

/** Inputs: the number of steps, the sums' first values, captured values. Outputs: the sums. */
export const accumulateOp: Op = defineOp<Accumulate>({
  name: "accumulate",
  infer(inputs, { body }) {
    const sums = inputs.slice(1, 1 + body.outputs.length);
    for (const [i, x] of body.outputs.entries()) {
      if (x.dtype !== sums[i]!.dtype || !sameShape(x.shape, sums[i]!.shape))
        throw shapeError("accumulate", [sums[i]!, x], "steps of the type that the sum starts with");
    }
    return sums;
  },
  onnx(e, [count, ...inputs], outputs, { body }) {
    const [step, ...captured] = body.placeholders as [Value, ...Value[]];
    const more = input("bool", []);
    const before = body.outputs.map(({ dtype, shape }) => input(dtype, shape));
    const after = body.outputs.map((x, i) => add(before[i]!, x));
    const placeholders = [step, more, ...before, ...captured];
    const graph = e.subgraph(placeholders, inputs.slice(before.length), [more, ...after]);
    // Without a condition of its own: the count decides.
    e.node("Loop", [count!, "", ...inputs.slice(0, before.length)], outputs, { body: graph });
  },
  grad({ inputs: [count, ...inputs], grads, attrs: { body }, needs }) {
    const sums = body.outputs.length;
    const [step, ...captured] = body.placeholders as [Value, ...Value[]];
    const wrt = captured.filter((_, i) => needs[1 + sums + i]);
    const outer = new Map(captured.map((x, i) => [x, inputs[sums + i]!]));
    // Every step is computed again here, beside its gradient: nothing of it is kept.
    const found = accumulate(
      count!,
      wrt.map((x) => zeros(x.dtype, x.shape)),
      (i) => {
        const pulled = vjp(substitute(body.outputs, new Map([[step, i]])), grads, wrt);
        return substitute(
          pulled.map((g, j) => g ?? zeros(wrt[j]!.dtype, wrt[j]!.shape)),
          outer,
        );
      },
    );
    let next = 0;
    return [
      undefined,
      ...grads,
      ...captured.map((_, i) => (needs[1 + sums + i] ? found[next++] : undefined)),
    ];
  },
});

/**
 * init + body(0) + .. + body(count - 1), for a number of steps that is known only when the graph runs: steps that are
 * not taken cost nothing.
 *
 * @param count int64 scalar, from 0 upwards.
 * @param init one value for each value that a step gives, of the same type.
 * @param body traced once; `step` is an int64 scalar. What it reads from outside is differentiated too.
 */
export function accumulate(
  count: Value,
  init: readonly Value[],
  body: (step: Value) => readonly Value[],
): readonly Value[] {
  const step = input("int64", []);
  const closed = close([step], body(step));
  return apply(accumulateOp, [count, ...init, ...closed.captured], { body: closed.body });
}
