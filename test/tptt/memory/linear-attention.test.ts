import { describe, expect, test } from "vitest";
import { gradients, mul, sum, Tensor, trainableParameters, zeros } from "../../../src/engine/index.js";
import { ForwardContext } from "../../../src/nn/forward-context.js";
import { Random } from "../../../src/random.js";
import type { Gate, RecurrentConfig } from "../../../src/tptt/config/operator-config.js";
import { LCache } from "../../../src/tptt/memory/lcache.js";
import { LinearAttention, type LinearAttentionOptions } from "../../../src/tptt/memory/linear-attention.js";
import { type Call, LayerStream } from "./layer-stream.js";
import { operatorTensor } from "./operator-fixture.js";
import { type LayerShape, linearAttention, type Matrix, type RawProjections } from "./reference.js";
import { draw, evaluate, expectClose, tensorOf } from "./run.js";

const config = (changes: Partial<RecurrentConfig> = {}): RecurrentConfig => ({
  order: 1,
  alphaGate: "c",
  betaGate: "k",
  linear: true,
  trick: "dt",
  ...changes,
});

const shapeOf = (recurrentConfig: RecurrentConfig, changes: Partial<LayerShape> = {}): LayerShape => ({
  numHeads: 4,
  numKeyValueHeads: 2,
  headDim: 5,
  recurrentConfig,
  maxChunkSize: 4,
  ...changes,
});

function projections(length: number, { numHeads, numKeyValueHeads, headDim }: LayerShape, seed: number) {
  const random = Random.for(seed, "projections");
  const features = (heads: number) => draw(random, [length, heads * headDim]) as Matrix;
  return { q: features(numHeads), k: features(numKeyValueHeads), v: features(numKeyValueHeads) };
}

/** Rows of a batch, of these lengths. */
const batchOf = (lengths: readonly number[], shape: LayerShape): RawProjections[] =>
  lengths.map((length, b) => projections(length, shape, b));

/** Calls one after the other give what the reference gives for each row alone. */
async function check(
  stream: LayerStream,
  shape: LayerShape,
  calls: readonly Call[],
  options?: { masked?: boolean; cached?: boolean },
): Promise<void> {
  const lengths = calls[0]!.counts.map((_, b) => calls.reduce((n, { counts }) => n + counts[b]!, 0));
  const rows = batchOf(lengths, shape);
  stream.reset();
  const outputs: Matrix[] = rows.map(() => []);
  for (const call of calls) {
    for (const [b, output] of (await stream.run(rows, call, options)).entries())
      outputs[b] = [...outputs[b]!, ...output];
  }
  for (const [b, row] of rows.entries())
    expectClose(tensorOf(outputs[b]!), linearAttention(row, shape), 1e-5, `row ${b}`);
}

/** Checks a layer in one whole pass, as in training. */
async function checkWhole(shape: LayerShape, lengths: readonly number[], side?: "left" | "right") {
  const stream = new LayerStream(shape, lengths.length);
  const call = { counts: lengths, width: Math.max(...lengths), side: side ?? "right" };
  await check(stream, shape, [call], { masked: side !== undefined, cached: false });
  await stream.release();
}

describe("a whole pass gives what the loops give", () => {
  test.each(["dt", "rot", "rdt", "cte"] as const)("with the trick %s", async (trick) => {
    for (const order of [1, 2, 3]) await checkWhole(shapeOf(config({ order, trick })), [11]);
    await checkWhole(shapeOf(config({ order: 3, trick, linear: false, alphaGate: "v" })), [11, 11]);
  });

  test.each(["c", "k", "v", "kv"] as const)("with alpha gate %s and every beta gate", async (alphaGate) => {
    const betaGates: Gate[] = ["c", "k", "v", "kv"];
    for (const betaGate of betaGates)
      await checkWhole(shapeOf(config({ alphaGate, betaGate, order: 2 })), [11]);
  });

  test.each([4, 5, 7, 64])("with a non-linear memory of period %i", async (maxChunkSize) => {
    await checkWhole(shapeOf(config({ linear: false }), { maxChunkSize }), [23]);
  });

  test.each(["left", "right"] as const)("with padding on the %s", async (side) => {
    for (const linear of [true, false]) {
      const recurrentConfig = config({ order: 2, alphaGate: "k", betaGate: "kv", trick: "rdt", linear });
      await checkWhole(shapeOf(recurrentConfig), [9, 14, 1], side);
      await checkWhole(shapeOf(recurrentConfig, { bidirectional: true }), [9, 14, 1], side);
    }
  });

  test("in both directions", async () => {
    await checkWhole(shapeOf(config({ order: 2 }), { bidirectional: true }), [13]);
    await checkWhole(shapeOf(config({ linear: false }), { bidirectional: true }), [13]);
  });
});

const streamed: [string, RecurrentConfig][] = [
  ["order 1", config()],
  ["order 2, dt, gates k and kv", config({ order: 2, alphaGate: "k", betaGate: "kv" })],
  ["order 3, rdt, gates v and c", config({ order: 3, trick: "rdt", alphaGate: "v", betaGate: "c" })],
  ["order 2, rot", config({ order: 2, trick: "rot" })],
  ["order 3, cte", config({ order: 3, trick: "cte" })],
  ["order 1, non-linear", config({ linear: false })],
  [
    "order 3, dt, non-linear, gates kv and v",
    config({ order: 3, linear: false, alphaGate: "kv", betaGate: "v" }),
  ],
];

describe.each(streamed)("in pieces with the cache: %s", (_, recurrentConfig) => {
  const shape = shapeOf(recurrentConfig);
  const pieces = (counts: readonly number[], batch = 1): Call[] =>
    counts.map((count) => ({ counts: Array(batch).fill(count), width: count, side: "right" }));

  test.each([[[14]], [[1, 13]], [[5, 9]], [[6, 1, 1, 6]], [Array(14).fill(1)]])("%j", async (counts) => {
    const stream = new LayerStream(shape, 1);
    await check(stream, shape, pieces(counts), { masked: false });
    await stream.release();
  });

  test("rows of different lengths, padded", async () => {
    const stream = new LayerStream(shape, 3);
    const left = (width: number, ...counts: number[]): Call => ({ counts, width, side: "left" });
    const right = (width: number, ...counts: number[]): Call => ({ counts, width, side: "right" });
    // Left padding, also cut inside the padding.
    await check(stream, shape, [left(9, 4, 9, 1)]);
    await check(stream, shape, [left(4, 0, 4, 0), left(5, 4, 5, 1)]);
    // Right padding, then single tokens; a row that is finished is padding.
    await check(stream, shape, [right(9, 4, 9, 1), right(1, 1, 1, 1), right(1, 1, 0, 1), right(1, 0, 0, 1)]);
    // Pieces of any length after what was seen, padded on either side.
    await check(stream, shape, [right(5, 2, 5, 1), left(4, 4, 1, 2), left(5, 1, 0, 5), right(4, 0, 3, 4)]);
    await stream.release();
  });

  test("a call without a token leaves the state as it was", async () => {
    const stream = new LayerStream(shape, 2);
    const rows = batchOf([7, 9], shape);
    await stream.run(rows, { counts: [5, 3], width: 5, side: "right" });
    const before = stream.state;
    for (const width of [1, 4]) await stream.run(rows, { counts: [0, 0], width, side: "left" });
    for (const [name, tensor] of Object.entries(stream.state)) {
      expect(tensor.data, name).toEqual((before as unknown as Record<string, typeof tensor>)[name]!.data);
    }
    await stream.release();
  });
});

describe("with projections of its own", () => {
  const shape = { hiddenDim: 8, numHeads: 2, numKeyValueHeads: 1 };
  const x = operatorTensor("layer.x");
  const [batch, length] = x.shape as [number, number, number];
  const build = (options: Partial<LinearAttentionOptions> = {}) => {
    const layer = new LinearAttention({ ...shape, ...options });
    const params: Record<string, Tensor> = {};
    for (const [name, parameter] of layer.namedParameters()) {
      parameter.name = name;
      parameter.trainable = true;
      params[name] = operatorTensor(`layer.${name}`);
    }
    return { layer, params };
  };
  const context = () => new ForwardContext({ batch, length });

  test("a layer with Python's defaults is Python's, in its form", async () => {
    const { layer, params } = build({ operatorForm: "tptt-0.12" });
    expect(Object.keys(params)).toHaveLength(8);
    const { y } = await evaluate(({ x }) => ({ y: layer.forward(x, context()) }), { x }, params);
    expectClose(y, [...operatorTensor("layer.output").f32], 1e-5);
  });

  test("a memory that is computed again has the same output and gradients", async () => {
    const run = async (useLinearCheckpoint: boolean) => {
      const { layer, params } = build({ useLinearCheckpoint });
      return evaluate(
        ({ x }) => {
          const y = layer.forward(x, context());
          const loss = sum(mul(y, y));
          const wrt = trainableParameters(loss);
          const found = gradients(loss, wrt);
          return { y, grads: Object.fromEntries(wrt.map(({ name }, i) => [name, found[i]!])) };
        },
        { x },
        params,
      );
    };
    const [kept, again] = await Promise.all([run(false), run(true)]);
    expect(again.y.f32).toEqual(kept.y.f32);
    expect(Object.keys(again.grads).sort()).toEqual(Object.keys(build().params).sort());
    for (const [name, gradient] of Object.entries(again.grads))
      expectClose(gradient, [...kept.grads[name]!.f32], 1e-6);
  });

  test("dropout leaves some outputs out while a training step is traced, and nothing else", async () => {
    const { layer, params } = build({ dropout: 0.5 });
    const { whole, dropped } = await evaluate(
      ({ x, seed }) => {
        const whole = layer.forward(x, context());
        layer.dropoutSeed = seed;
        return { whole, dropped: layer.forward(x, context()) };
      },
      { x, seed: Tensor.int64([], [3]) },
      params,
    );
    const left = [...dropped.f32].flatMap((value, i) => (value === 0 ? [] : [[value, 2 * whole.f32[i]!]]));
    expect(left.length).toBeGreaterThan(dropped.size / 4);
    expect(left.length).toBeLessThan((3 * dropped.size) / 4);
    for (const [value, expected] of left) expect(value).toBeCloseTo(expected!, 5);
  });

  test("hidden states of another size are refused with what is expected", () => {
    const layer = new LinearAttention({ hiddenDim: 8, numHeads: 2 });
    const context = new ForwardContext({ batch: 1, length: 3 });
    expect(() => layer.forward(zeros("f32", [1, 3, 6]), context)).toThrow(
      "x: is [1,3,6], expected [B, S, 8]",
    );
  });

  test("a layer without them reads projections alone", async () => {
    expect(() => new LinearAttention({ numHeads: 2 })).toThrow("head_dim: is missing; give it or hidden_dim");
    expect(() => new LinearAttention({ numHeads: 2, hiddenDim: -4 })).toThrow(
      "hidden_dim: is -4, expected a positive integer",
    );
    expect(() => new LinearAttention({ numHeads: 4, headDim: 2, numKeyValueHeads: 3 })).toThrow(
      "num_key_value_heads: is 3, expected a divisor of num_heads (4)",
    );
    const layer = new LinearAttention({ numHeads: 2, headDim: 4 });
    await expect(evaluate(({ x }) => ({ y: layer.forward(x, context()) }), { x })).rejects.toThrow(
      "hidden_dim: is missing: a layer without it reads projections",
    );
  });
});

describe("the parts of a pass", () => {
  test("its state is kept under its index, and read where a pass goes on", () => {
    const linearCache = new LCache();
    const layer = new LinearAttention({ numHeads: 1, headDim: 4, layerIdx: 3, linearCache });
    const state = { recurrentState: zeros("f32", [1, 1, 4, 4]) };
    layer.saveCache(state);
    expect([...linearCache.entries()]).toEqual([[3, state]]);
    const sizes = { batch: 1, length: 2 };
    expect(layer.getCache(new ForwardContext(sizes))).toBeUndefined();
    const past = { seen: zeros("int64", [1]), layers: [] };
    expect(layer.getCache(new ForwardContext({ ...sizes, past }))).toEqual(state);
    linearCache.reset();
    expect(layer.getCache(new ForwardContext({ ...sizes, past }))).toBeUndefined();
  });

  test("heads are merged and divided by their root mean square", async () => {
    const layer = new LinearAttention({ numHeads: 2, headDim: 2 });
    const heads = Tensor.f32([1, 2, 2, 2], [1, -1, 1, 1, 2, 0, 0, 0]);
    const { merged } = await evaluate(({ heads }) => ({ merged: layer.mergeHeadOutput(heads) }), { heads });
    expect(merged.shape).toEqual([1, 2, 4]);
    expectClose(merged, [1, -1, 1, 1, 2, 0, 0, 0], 1e-5);
  });
});
