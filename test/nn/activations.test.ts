import { expect, test } from "vitest";
import { compile, Tensor } from "../../src/engine/index.js";
import { activations } from "../../src/nn/activations.js";

const x = [-3, -0.5, 0, 0.5, 3];

/** As PyTorch defines them, in float64; Phi to 1e-7 (Abramowitz and Stegun 7.1.26). */
const phi = (v: number): number => {
  const t = 1 / (1 + (0.3275911 * Math.abs(v)) / Math.SQRT2);
  const series =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - series * Math.exp(-(v * v) / 2);
  return 0.5 * (1 + Math.sign(v) * erf);
};
const geluTanh = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
const silu = (v: number) => v / (1 + Math.exp(-v));
const expected: Record<keyof typeof activations, (v: number) => number> = {
  gelu: (v) => v * phi(v),
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu: (v) => Math.max(v, 0),
  silu,
  swish: silu,
  tanh: Math.tanh,
};

test.each(Object.keys(activations) as (keyof typeof activations)[])(
  "%s is the function of that name",
  async (name) => {
    const graph = await compile(({ x }) => activations[name](x), {
      inputs: { x: { dtype: "f32", shape: [x.length] } },
    });
    const y = await graph.run({ x: Tensor.f32([x.length], x) });
    expect(y).toBeCloseToTensor(x.map(expected[name]), { atol: 1e-6 });
    await graph.release();
  },
);
