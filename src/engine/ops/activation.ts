import { call, defineOp, shapeError } from "../op.js";
import type { Op, Value } from "../value.js";
import { add, erf, mul, sigmoid, sub } from "./elementwise.js";

/** sqrt(8 / pi) and its product with 0.044715: 0.5 (1 + tanh(u)) = sigmoid(2u), where 2u = x (linear + cubic x^2). */
const linear = Math.sqrt(8 / Math.PI);
const cubic = linear * 0.044715;

export const geluOp: Op = defineOp({
  name: "gelu",
  axes: "none",
  infer([x]) {
    if (x!.shape.length === 0) throw shapeError("gelu", [x!], "at least one axis");
    return x!;
  },
  onnx: (e, inputs, outputs) => e.node("FastGelu", inputs, outputs, { domain: "com.microsoft" }),
  grad({ grads: [g], inputs: [x], outputs: [y] }) {
    // y = x s with s = sigmoid(x p), so y' = s + y (1 - s) q with q = (x p)' = s (1 - y q) + y q.
    const square = mul(x!, x!);
    const s = sigmoid(mul(x!, add(mul(square, cubic), linear)));
    const yq = mul(y!, add(mul(square, 3 * cubic), linear));
    return [mul(g!, add(mul(s, sub(1, yq)), yq))];
  },
});

export const siluOp: Op = defineOp({
  name: "silu",
  axes: "none",
  infer: ([x]) => x!,
  onnx: (e, inputs, outputs) =>
    e.node("QuickGelu", inputs, outputs, { domain: "com.microsoft", alpha: { float: 1 } }),
  // y = x s, so y' = s + y (1 - s) = s (1 - y) + y.
  grad: ({ grads: [g], inputs: [x], outputs: [y] }) => [mul(g!, add(mul(sigmoid(x!), sub(1, y!)), y!))],
});

/** The tanh approximation of GELU: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (arXiv 1606.08415). */
export const gelu = (x: Value): Value => call(geluOp, [x]);
/** GELU as it is defined: x times the normal distribution function of x (arXiv 1606.08415). */
export const geluExact = (x: Value): Value => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));
/** x sigmoid(x). */
export const silu = (x: Value): Value => call(siluOp, [x]);
