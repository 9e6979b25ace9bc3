import { describe, expect, test } from "vitest";
import { gradients, mul, sum, Tensor, type Value } from "../../src/engine/index.js";
import { softmaxAttention } from "../../src/nn/attention.js";
import { ForwardContext } from "../../src/nn/forward-context.js";
import { Random } from "../../src/random.js";
import { evaluate } from "../engine/evaluate.js";

const [batch, heads, groups, dim] = [2, 4, 2, 3];
const scale = 0.7;

const drawn = (name: string, shape: readonly number[]): Tensor => {
  const random = Random.for(1, name);
  return Tensor.f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
  );
};

/** Attention by two loops: every query over the keys that it sees. [B, S, H * D] */
function reference(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  real: (row: number, t: number) => boolean,
  window: number,
) {
  const length = q.shape[2]!;
  const at = (x: Tensor, b: number, h: number, t: number) => {
    const start = ((b * x.shape[1]! + h) * length + t) * dim;
    return x.f32.subarray(start, start + dim);
  };
  const out = new Float32Array(batch * length * heads * dim);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const group = Math.floor(h / (heads / groups));
      for (let t = 0; t < length; t++) {
        const seen = Array.from({ length: t + 1 }, (_, j) => j).filter((j) => t - j < window && real(b, j));
        const weights = seen.map((j) =>
          Math.exp(scale * at(q, b, h, t).reduce((dot, x, i) => dot + x * at(k, b, group, j)[i]!, 0)),
        );
        const total = weights.reduce((x, y) => x + y, 0);
        for (let i = 0; i < dim; i++) {
          const mixed = seen.reduce((s, j, n) => s + (weights[n]! / total) * at(v, b, group, j)[i]!, 0);
          out[(b * length + t) * heads * dim + h * dim + i] = mixed;
        }
      }
    }
  }
  return out;
}

// Blocks of 3, 4 and 1; a last block that is full, and one that is not.
const short = [
  { length: 17, window: 6 },
  { length: 16, window: 7 },
  { length: 9, window: 1 },
];
/** Global: blocks of 256 queries, the last of 6. */
const long = { length: 1030, window: Number.POSITIVE_INFINITY };

function drawInputs(length: number) {
  return {
    q: drawn("q", [batch, heads, length, dim]),
    k: drawn("k", [batch, groups, length, dim]),
    v: drawn("v", [batch, groups, length, dim]),
  };
}

describe.each([...short, long])("$length tokens that see $window", ({ length, window }) => {
  const tensors = drawInputs(length);
  const masks = {
    "no padding": undefined,
    "padding on either side": (row: number, t: number) => (row === 0 ? t >= 2 : t < length - 3),
  };
  test.each(Object.entries(masks))("%s: as every query over its keys", async (_, real) => {
    const bits =
      real &&
      Uint8Array.from({ length: batch * length }, (_, i) => +real(Math.floor(i / length), i % length));
    const mask = bits && new Tensor("bool", [batch, length], bits);
    const attend = ({ q, k, v, mask }: { q: Value; k: Value; v: Value; mask?: Value }) =>
      softmaxAttention(q, k, v, {
        layerIdx: 0,
        window,
        scale,
        context: new ForwardContext({ batch, length, mask }),
      });
    const { y } = await evaluate((inputs) => ({ y: attend(inputs) }), {
      ...tensors,
      ...(mask ? { mask } : {}),
    });
    const expected = reference(tensors.q, tensors.k, tensors.v, real ?? (() => true), window);
    const features = heads * dim;
    for (let i = 0; i < batch * length; i++) {
      if (bits && !bits[i]) continue;
      const row = [i * features, (i + 1) * features] as const;
      expect(y.f32.subarray(...row), `token ${i}`).toBeCloseToTensor(expected.subarray(...row), {
        atol: 1e-5,
      });
    }
  });
});

test.each(short)(
  "the gradients are the slopes: $length tokens that see $window",
  async ({ length, window }) => {
    const tensors = drawInputs(length);
    const weights = drawn("weights", [batch, length, heads * dim]);
    const context = () => new ForwardContext({ batch, length });
    const loss = ({ q, k, v, weights }: Record<"q" | "k" | "v" | "weights", Value>) =>
      sum(mul(softmaxAttention(q, k, v, { layerIdx: 0, window, scale, context: context() }), weights));
    const found = await evaluate(
      (inputs) => ({ grads: gradients(loss(inputs), [inputs.q, inputs.k, inputs.v]) as Value[] }),
      { ...tensors, weights },
    );
    const value = (changed: Partial<typeof tensors>) => {
      const { q, k, v } = { ...tensors, ...changed };
      return reference(q, k, v, () => true, window).reduce((s, x, i) => s + x * weights.f32[i]!, 0);
    };
    for (const [n, name] of (["q", "k", "v"] as const).entries()) {
      for (const i of [0, 7, 25, tensors[name].size - 1]) {
        const moved = (by: number) => {
          const data = tensors[name].f32.slice();
          data[i]! += by;
          return value({ [name]: Tensor.f32(tensors[name].shape, data) });
        };
        const slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        expect(found.grads[n]!.f32[i], `${name} ${i}`).toBeCloseTo(slope, 2);
      }
    }
  },
);
