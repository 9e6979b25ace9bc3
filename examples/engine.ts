/** The engine alone: fits a line by gradient descent. */
import { add, compile, mean, mul, Parameter, sub, Tensor, valueAndGrad } from "../src/engine/index.js";

const slope = new Parameter("f32", []);
slope.name = "slope";
slope.trainable = true;
const offset = new Parameter("f32", []);
offset.name = "offset";
offset.trainable = true;

const points = { dtype: "f32", shape: [64] } as const;
const step = await compile(
  valueAndGrad(({ x, y }) => {
    const error = sub(add(mul(slope, x), offset), y);
    return mean(mul(error, error));
  }),
  { inputs: { x: points, y: points } },
);

const x = Tensor.f32(
  [64],
  Array.from({ length: 64 }, (_, i) => i / 32 - 1),
);
const y = Tensor.f32(
  [64],
  Array.from(x.f32, (value) => 3 * value - 2),
);
const params: Record<string, Tensor> = { slope: Tensor.scalar(0), offset: Tensor.scalar(0) };
for (let i = 0; i < 200; i++) {
  const { grads } = await step.run({ x, y, params });
  for (const [name, grad] of Object.entries(grads))
    params[name] = Tensor.scalar(params[name]!.item() - 0.3 * grad.item());
}
await step.release();

const line = `y = ${params.slope!.item().toFixed(3)} x + ${params.offset!.item().toFixed(3)}`;
console.log(line);
if (line !== "y = 3.000 x + -2.000") throw new Error("expected y = 3.000 x + -2.000");
