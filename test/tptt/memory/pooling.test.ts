import { describe, expect, test } from "vitest";
import { gradients, mul, sum, Tensor, type Value } from "../../../src/engine/index.js";
import { camelFields } from "../../../src/io/field-names.js";
import { ForwardContext } from "../../../src/nn/forward-context.js";
import { Random } from "../../../src/random.js";
import { CausalAvgPool1d, type CausalAvgPool1dOptions } from "../../../src/tptt/memory/pooling.js";
import python from "../../fixtures/tptt/modules.json" with { type: "json" };
import { pool } from "./reference.js";
import { centralDifferences, draw, evaluate, expectClose, flatten, type Nested, tensorOf } from "./run.js";

const [x] = python.x as [number[][]];

test("the causal mean is Python's, and its tail the last two tokens", async () => {
  const { value, tail } = await evaluate(
    ({ x }) => ({
      ...new CausalAvgPool1d().forward(x, new ForwardContext({ batch: 1, length: x.shape[1]! })),
    }),
    { x: tensorOf([x]) },
  );
  expectClose(value, python.pooled, 1e-6);
  expectClose(value, [pool(x)], 1e-6);
  expect([...tail!.f32]).toEqual([...tensorOf(x.slice(-2)).f32]);
});

describe("a mean of other tokens is Python's", () => {
  test.each(python.pooledBy.map(({ options, y }) => [options, y] as const))("%j", async (options, y) => {
    const pool = new CausalAvgPool1d(camelFields<object>(options));
    const { value } = await evaluate(({ x }) => ({ value: pool.forward(x).value }), { x: tensorOf([x]) });
    expectClose(value, y as Nested, 1e-6);
    expect(value.shape).toEqual([1, y[0]!.length, y[0]![0]!.length]);
  });
});

test.each([{}, { offsets: [0, 1, 2] }, { offsets: [-3, 0, 1] }, { kernelSize: 2, dilation: 3 }])(
  "padding on either side changes nothing: %j",
  async (options) => {
    const pool = new CausalAvgPool1d(options);
    const noise = draw(Random.for(1, "noise"), [3, 10]) as number[][];
    const { whole, padded } = await evaluate(
      ({ x, rows, mask }) => ({
        whole: pool.forward(x).value,
        padded: pool.forward(rows, new ForwardContext({ batch: 2, length: 8, mask })).value,
      }),
      {
        x: tensorOf([x]),
        rows: tensorOf([
          [...noise, ...x],
          [...x, ...noise],
        ]),
        mask: new Tensor("bool", [2, 8], Uint8Array.of(0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0)),
      },
    );
    expect(padded.f32.subarray(30, 80)).toBeCloseToTensor(whole);
    expect(padded.f32.subarray(80, 130)).toBeCloseToTensor(whole);
  },
);

test("a sequence in pieces has the means of the whole one", async () => {
  const pool = new CausalAvgPool1d({ kernelSize: 2, dilation: 2 });
  const piece = (seen: Value, x: Value, past: Value) => {
    const context = new ForwardContext({ batch: 1, length: x.shape[1]!, past: { seen, layers: [] } });
    return pool.forward(x, context, past);
  };
  const { whole, first, second } = await evaluate(
    ({ x, a, b, zero, two, past }) => {
      const begun = piece(zero, a, past);
      return {
        whole: pool.forward(x).value,
        first: begun.value,
        second: piece(two, b, begun.tail!).value,
      };
    },
    {
      x: tensorOf([x]),
      a: tensorOf([x.slice(0, 2)]),
      b: tensorOf([x.slice(2)]),
      zero: Tensor.int64([1], [0]),
      two: Tensor.int64([1], [2]),
      past: Tensor.zeros("f32", [1, 2, 10]),
    },
  );
  expect([...first.f32, ...second.f32]).toBeCloseToTensor(whole);
});

test("the gradient flows through ends and resized features", async () => {
  const options: CausalAvgPool1dOptions = { offsets: [-2, 0, 1], outputSize: 3 };
  const pool = new CausalAvgPool1d(options);
  const short = x.slice(0, 3);
  const g = draw(Random.for(2, "g"), [1, 3, 3]);
  const { gx } = await evaluate(
    ({ x, g }) => ({ gx: gradients(sum(mul(pool.forward(x).value, g)), [x])[0]! }),
    { x: tensorOf([short]), g: tensorOf(g) },
  );
  const means = (x: number[][]) =>
    x.flatMap((_, t) => {
      const row = x[0]!.map(
        (_, i) => [t - 2, t, t + 1].reduce((sum, j) => sum + x[Math.min(Math.max(j, 0), 2)]![i]!, 0) / 3,
      );
      const bins = [row.slice(0, 4), row.slice(3, 7), row.slice(6)];
      return bins.map((bin) => bin.reduce((a, b) => a + b, 0) / bin.length);
    });
  const loss = (x: number[][]) => means(x).reduce((sum, y, i) => sum + y * flatten(g)[i]!, 0);
  expectClose(gx, centralDifferences(short, loss), 1e-5);
});

test.each([
  [{ inputSize: 9 }, "input_size: is 9, the input has 10 features"],
  [{ offset: 1 }, "padding_mode: must be replicate, and offset 0, for sequences with padding or in pieces"],
  [{ paddingMode: "reflect" }, "padding_mode: must be replicate"],
  [{ offsets: [0, 1] }, "offsets: look ahead, and so cannot go on with a sequence"],
] as [CausalAvgPool1dOptions, string][])(
  "%j is refused when a sequence goes on",
  async (options, message) => {
    const pooling = evaluate(
      ({ x, seen }) => ({
        y: new CausalAvgPool1d(options).forward(
          x,
          new ForwardContext({ batch: 1, length: 5, past: { seen, layers: [] } }),
        ).value,
      }),
      { x: tensorOf([x]), seen: Tensor.int64([1], [0]) },
    );
    await expect(pooling).rejects.toThrow(message);
  },
);
