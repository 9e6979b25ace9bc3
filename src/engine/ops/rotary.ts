import { call, defineOp, shapeError } from "../op.js";
import { sameShape, Tensor } from "../tensor.js";
import type { Op, TypeInfo, Value } from "../value.js";
import { neg } from "./elementwise.js";

export const rotaryOp: Op = defineOp({
  name: "rotary",
  infer(inputs) {
    const [x, cos, sin, positions] = inputs as [TypeInfo, TypeInfo, TypeInfo, TypeInfo];
    const [batch, , steps, size] = x.shape;
    const rows = cos.shape[0] ?? 0;
    // ONNX Runtime wants a table with at least as many rows as there are tokens.
    const fits =
      x.shape.length === 4 &&
      rows >= steps! &&
      [cos, sin].every((t) => t.dtype === x.dtype && sameShape(t.shape, [rows, size! / 2])) &&
      positions.dtype === "int64" &&
      sameShape(positions.shape, [batch!, steps!]);
    if (!fits)
      throw shapeError("rotary", inputs, "x [B, H, S, D], cos and sin [R >= S, D/2], int64 positions [B, S]");
    return x;
  },
  onnx(e, [x, cos, sin, positions], [y], _, node) {
    if (node.inputs[0]!.dtype === "f32") {
      e.node("RotaryEmbedding", [x!, positions!, cos!, sin!], [y!], { domain: "com.microsoft" });
      return;
    }
    // Float64 serves the gradient checks, so it may take the long way.
    const made = (type: string, inputs: readonly string[], attrs = {}): string => {
      const name = e.fresh();
      e.node(type, inputs, [name], attrs);
      return name;
    };
    const rows = (table: string) =>
      made("Unsqueeze", [made("Gather", [table, positions!]), e.constant(Tensor.int64([1], [1]))]);
    const [c, s] = [rows(cos!), rows(sin!)];
    const [a, b] = [e.fresh(), e.fresh()];
    e.node("Split", [x!], [a, b], { axis: -1, num_outputs: 2 });
    const first = made("Sub", [made("Mul", [a, c]), made("Mul", [b, s])]);
    const second = made("Add", [made("Mul", [b, c]), made("Mul", [a, s])]);
    e.node("Concat", [first, second], [y!], { axis: -1 });
  },
  grad: ({ grads: [g], inputs: [, cos, sin, positions] }) => [
    rotary(g!, cos!, neg(sin!), positions!),
    undefined,
    undefined,
    undefined,
  ],
});

/**
 * Rotary position embedding (Su et al., arXiv 2104.09864) in the rotate-half form of Hugging Face: channels i and
 * i + D/2 turn together. No gradient flows to the tables.
 * @param x [B, H, S, D]
 * @param cos [R, D/2], R >= S, and `sin` alike: row p belongs to position p.
 * @param positions int64 [B, S], each in 0..R-1
 */
export function rotary(x: Value, cos: Value, sin: Value, positions: Value): Value {
  return call(rotaryOp, [x, cos, sin, positions]);
}
