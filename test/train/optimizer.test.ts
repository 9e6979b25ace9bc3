import { expect, test } from "vitest";
import { Parameter, Tensor } from "../../src/engine/index.js";
import { AdamW, type AdamWOptions } from "../../src/train/optimizer.js";
import { ParameterVector } from "../../src/train/parameter-vector.js";

/** A matrix and a bias, end to end. */
function vector(): ParameterVector {
  const [matrix, bias] = [new Parameter("f32", [2, 3]), new Parameter("f32", [2])];
  matrix.name = "weight";
  bias.name = "bias";
  return new ParameterVector([matrix, bias]);
}

const initial = [0.5, -1, 2, 0.1, 0, -0.3, 0.2, -0.4];
const gradients = [
  [0.1, -0.2, 0.3, 0, 0.05, -0.07, 0.01, -0.02],
  [3, -4, 1, 0.5, 0, 2, 1, -2],
  [-0.01, 0.02, 0, 1e-4, -0.3, 0.2, 0.3, 0],
  [0.4, 0.3, -0.2, 0.1, -0.1, 0.6, -0.05, 0.07],
];
const learningRates = [0.01, 0.02, 0.005, 0.03];

// torch 2.13: AdamW with weight_decay 0.1 on the matrix and 0 on the bias, after clip_grad_norm_ to 1.
const norms = [0.3845776915550232, 5.93717098236084, 0.46957430243492126, 0.8230431079864502];
const weightsAfter = [
  [0.48950002, -0.98900002, 1.98800004, 0.0999, -0.01, -0.28970003, 0.19000001, -0.39000002],
  [0.47132075, -0.96894211, 1.96505129, 0.08481747, -0.02338116, -0.30096719, 0.17434956, -0.37434956],
  [0.46782374, -0.965056, 1.96040225, 0.08189517, -0.02064412, -0.30440149, 0.17008321, -0.37132511],
  [0.44306591, -0.95363444, 1.94771814, 0.05919673, -0.00241034, -0.32775339, 0.15184063, -0.36031526],
];

/** The weights after each step, and the norms that were clipped. `scale` is divided out again by the optimizer. */
async function train(options: AdamWOptions, scale = 1) {
  const optimizer = await AdamW.create(vector().decayMask(), options);
  const steps: { weights: Tensor; gradNorm: number }[] = [];
  let weights = Tensor.f32([8], initial);
  for (const [i, gradient] of gradients.entries()) {
    const summed = Tensor.f32(
      [8],
      gradient.map((g) => g / scale),
    );
    steps.push(await optimizer.step(weights, summed, scale, learningRates[i]!));
    weights = steps.at(-1)!.weights;
  }
  await optimizer.release();
  return steps;
}

test.each([1, 1 / 128])(
  "AdamW steps as PyTorch's does, clipping included (gradients times 1 / %d)",
  async (scale) => {
    const steps = await train({ weightDecay: 0.1, maxGradNorm: 1 }, scale);
    for (const [i, { weights, gradNorm }] of steps.entries()) {
      expect(gradNorm).toBeCloseTo(norms[i]!, 5);
      expect(weights, `step ${i + 1}`).toBeCloseToTensor(weightsAfter[i]!, { rtol: 1e-6, atol: 1e-7 });
    }
  },
);

test("a maximal norm of 0 never clips, and a high one changes nothing", async () => {
  const unclipped = await train({ weightDecay: 0.1, maxGradNorm: 0 });
  const high = await train({ weightDecay: 0.1, maxGradNorm: 100 });
  expect(unclipped.map(({ weights }) => weights.f32)).toEqual(high.map(({ weights }) => weights.f32));
  expect(unclipped[1]!.weights.f32).not.toEqual(Float32Array.from(weightsAfter[1]!));
  expect(unclipped[1]!.gradNorm).toBeCloseTo(norms[1]!, 5);
});

test("the state goes on where it was: four steps in one piece or in two are the same", async () => {
  const whole = await train({ weightDecay: 0.1, maxGradNorm: 1 });
  let weights = Tensor.f32([8], initial);
  let state: AdamW["state"] | undefined;
  for (const [i, gradient] of gradients.entries()) {
    const optimizer = await AdamW.create(vector().decayMask(), { weightDecay: 0.1, maxGradNorm: 1 });
    if (state) optimizer.state = state;
    weights = (await optimizer.step(weights, Tensor.f32([8], gradient), 1, learningRates[i]!)).weights;
    state = optimizer.state;
    await optimizer.release();
  }
  expect(weights.f32).toEqual(whole.at(-1)!.weights.f32);
  expect(state!.step).toBe(4);
});

test("gradients of several batches add up", async () => {
  const optimizer = await AdamW.create(vector().decayMask(), { weightDecay: 0, maxGradNorm: 1 });
  const first = Tensor.f32([8], gradients[0]!);
  expect(await optimizer.accumulate(undefined, first)).toBe(first);
  const both = await optimizer.accumulate(first, Tensor.f32([8], gradients[1]!));
  expect(both).toBeCloseToTensor(gradients[0]!.map((g, i) => g + gradients[1]![i]!));
  expect(first.f32).toEqual(Float32Array.from(gradients[0]!));
  await optimizer.release();
});
