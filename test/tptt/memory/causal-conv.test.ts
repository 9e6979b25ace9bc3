import { describe, expect, test } from "vitest";
import { gradients, mul, type Parameter, sum, zeros } from "../../../src/engine/index.js";
import { camelFields } from "../../../src/io/field-names.js";
import { initialTensors } from "../../../src/nn/init.js";
import { nameParameters } from "../../../src/nn/module.js";
import { Random } from "../../../src/random.js";
import { CausalConv1d, type CausalConv1dOptions } from "../../../src/tptt/memory/causal-conv.js";
import python from "../../fixtures/tptt/modules.json" with { type: "json" };
import { dot } from "./reference.js";
import { centralDifferences, draw, evaluate, expectClose, flatten, type Nested, tensorOf } from "./run.js";

/** A layer whose weights are given at each run. */
function build(options: CausalConv1dOptions): { layer: CausalConv1d; weight: Parameter; bias: Parameter } {
  const layer = new CausalConv1d(options);
  nameParameters(layer);
  const { weight, bias } = layer.conv1d;
  for (const parameter of [weight, bias]) parameter.trainable = true;
  return { layer, weight, bias };
}

/** [B, S, F] -> [B, F, S] */
const transposed = (x: number[][]): number[][] => x[0]!.map((_, i) => x.map((row) => row[i]!));
const channels = transposed((python.x as number[][][])[0]!);

describe("CausalConv1d is Python's", () => {
  test.each(python.convolved.map(({ options, weights, y }) => [options, weights, y] as const))(
    "%j",
    async (options, weights, y) => {
      const { layer } = build({ inChannels: 10, ...camelFields(options) } as CausalConv1dOptions);
      const params = Object.fromEntries(
        Object.entries(weights).map(([name, w]) => [name, tensorOf(w as Nested)]),
      );
      const out = await evaluate(({ x }) => ({ y: layer.forward(x) }), { x: tensorOf([channels]) }, params);
      expect(out.y.shape).toEqual([1, y[0]!.length, y[0]![0]!.length]);
      expectClose(out.y, y as Nested, 1e-6);
    },
  );
});

test.each([1, 2, 4])("with %i groups output and gradients are those of the loops", async (groups) => {
  const options = { inChannels: 4, outChannels: 8, kernelSize: 3, dilation: 2, groups };
  const { layer, weight, bias } = build(options);
  const random = Random.for(3, "conv", groups);
  const [x, w, b, g] = [[2, 4, 6], [8, 4 / groups, 3], [8], [2, 8, 6]].map((shape) =>
    draw(random, shape),
  ) as [number[][][], number[][][], number[], number[][][]];
  const reference = (x: number[][][], w: number[][][], b: number[]) =>
    x.map((rows) =>
      w.map((kernel, o) =>
        rows[0]!.map((_, t) => {
          const first = Math.floor(o / (8 / groups)) * (4 / groups);
          return kernel.reduce(
            (sum, taps, i) =>
              taps.reduce((sum, tap, j) => sum + tap * (rows[first + i]![t - (2 - j) * 2] ?? 0), sum),
            b[o]!,
          );
        }),
      ),
    );
  const found = await evaluate(
    ({ x, g }) => {
      const y = layer.forward(x);
      const [gx, gw, gb] = gradients(sum(mul(y, g)), [x, weight, bias]);
      return { y, gx: gx!, gw: gw!, gb: gb! };
    },
    { x: tensorOf(x), g: tensorOf(g) },
    { "conv1d.weight": tensorOf(w), "conv1d.bias": tensorOf(b) },
  );
  expectClose(found.y, reference(x, w, b));
  const loss = (x: number[][][], w: number[][][], b: number[]) =>
    dot(flatten(reference(x, w, b)), flatten(g));
  expectClose(
    found.gx,
    centralDifferences(x, (x) => loss(x, w, b)),
  );
  expectClose(
    found.gw,
    centralDifferences(w, (w) => loss(x, w, b)),
  );
  expectClose(
    found.gb,
    centralDifferences(b, (b) => loss(x, w, b)),
  );
});

test("before any training the output is near 0, whatever the kernel's size", async () => {
  const { layer } = build({ inChannels: 64, outChannels: 1, kernelSize: 16, groups: 1 });
  const params = Object.fromEntries(initialTensors(layer, Random.for(0, "init")));
  const { y } = await evaluate(
    ({ x }) => ({ y: layer.forward(x) }),
    { x: tensorOf(draw(Random.for(1, "x"), [1, 64, 400])) },
    params,
  );
  const square = y.f32.reduce((sum, value) => sum + value * value, 0) / y.size;
  expect(Math.sqrt(square)).toBeGreaterThan(0.05);
  expect(Math.sqrt(square)).toBeLessThan(0.2);
});

test("an input of other channels is refused with what is expected", () => {
  const convolution = new CausalConv1d({ inChannels: 4, outChannels: 4, kernelSize: 2 });
  expect(() => convolution.forward(zeros("f32", [1, 3, 5]))).toThrow("x: is [1,3,5], expected [B, 4, S]");
});

test("groups that do not divide the channels are refused, as in Python", () => {
  // Python makes its dynamic gate so, and fails in the constructor.
  expect(python.dynamicGateError).toBe("out_channels must be divisible by groups");
  expect(() => new CausalConv1d({ inChannels: 8, outChannels: 1, kernelSize: 16 })).toThrow(
    "groups: is 8, expected a divisor of in_channels 8 and out_channels 1",
  );
});
