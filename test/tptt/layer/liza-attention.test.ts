import { describe, expect, test } from "vitest";
import { checkpoint, gradients, mul, Parameter, sum, Tensor, type Value } from "../../../src/engine/index.js";
import { nodesOf } from "../../../src/engine/value.js";
import { llama } from "../../../src/models/llama.js";
import type { Attention } from "../../../src/nn/attention.js";
import { ForwardContext } from "../../../src/nn/forward-context.js";
import type { Linear } from "../../../src/nn/layers.js";
import { LoraLinear } from "../../../src/nn/lora.js";
import { Random } from "../../../src/random.js";
import type { RecurrentConfig } from "../../../src/tptt/config/operator-config.js";
import { LiZAttention, type LiZAttentionOptions } from "../../../src/tptt/layer/liza-attention.js";
import { LCache } from "../../../src/tptt/memory/lcache.js";
import {
  dot,
  type LayerShape,
  linearAttention,
  type Matrix,
  mix,
  project,
  softmaxAttention,
} from "../memory/reference.js";
import { centralDifferences, draw, evaluate, expectClose, flatten, tensorOf } from "../memory/run.js";

const hidden = 12;
const theta = 10_000;
const heads = { numHeads: 4, numKeyValueHeads: 2, headDim: 4 };
const rank = 2;
const scaling = 1.5;
const projections = ["q_proj", "k_proj", "v_proj", "o_proj"] as const;

const plain: RecurrentConfig = { order: 1, alphaGate: "c", betaGate: "k", linear: true, trick: "dt" };
const rich: RecurrentConfig = { order: 2, alphaGate: "k", betaGate: "kv", linear: false, trick: "rdt" };

/** The weights of a layer by projection, and of the updates where there are any. */
type Weights = Record<(typeof projections)[number], { W: Matrix; A: Matrix; B: Matrix }>;

function drawWeights(): Weights {
  const random = Random.for(4, "weights");
  const { numHeads, numKeyValueHeads, headDim } = heads;
  const [q, kv] = [numHeads * headDim, numKeyValueHeads * headDim];
  const of = (rows: number, columns: number) => {
    const matrix = (...shape: number[]) => draw(random, shape, () => 0.6 * random.normal()) as Matrix;
    return { W: matrix(rows, columns), A: matrix(rank, columns), B: matrix(rows, rank) };
  };
  return { q_proj: of(q, hidden), k_proj: of(kv, hidden), v_proj: of(kv, hidden), o_proj: of(hidden, q) };
}

/** A layer of a Llama with low-rank updates, all of its parameters given at each run. */
function buildBase(): Attention {
  const model = llama.build(
    {
      model_type: "llama",
      vocab_size: 5,
      hidden_size: hidden,
      intermediate_size: 4,
      num_hidden_layers: 1,
      num_attention_heads: heads.numHeads,
      num_key_value_heads: heads.numKeyValueHeads,
      head_dim: heads.headDim,
    },
    "test",
  );
  const [, layer] = model.attentions()[0]!;
  for (const name of projections) layer.set(name, new LoraLinear(layer.get(name) as Linear, rank, scaling));
  for (const [name, parameter] of layer.namedParameters()) {
    parameter.name = name;
    parameter.trainable = true;
  }
  return layer;
}

const parametersOf = (weights: Weights): Record<string, Tensor> =>
  Object.fromEntries(
    projections.flatMap((name) => [
      [`${name}.weight`, tensorOf(weights[name].W)],
      [`${name}.lora_A.weight`, tensorOf(weights[name].A)],
      [`${name}.lora_B.weight`, tensorOf(weights[name].B)],
    ]),
  );

/** The same layer in plain loops. */
function reference(x: Matrix, weights: Weights, mu: number, options: LiZAttentionOptions): Matrix {
  const shape: LayerShape = {
    ...heads,
    recurrentConfig: options.recurrentConfig,
    maxChunkSize: options.maxChunkSize ?? 64,
    bidirectional: options.bidirectional ?? false,
  };
  const through = (rows: Matrix, name: (typeof projections)[number]) => {
    const { W, A, B } = weights[name];
    const update = project(project(rows, A), B);
    return project(rows, W).map((row, t) => row.map((y, i) => y + scaling * update[t]![i]!));
  };
  const raw = { q: through(x, "q_proj"), k: through(x, "k_proj"), v: through(x, "v_proj") };
  const window = options.maxSelfAttnLength ?? Number.POSITIVE_INFINITY;
  const softmax = through(softmaxAttention(raw, shape, theta, window), "o_proj");
  return mix(softmax, through(linearAttention(raw, shape), "o_proj"), { ...options, mu });
}

const length = 9;
const weights = drawWeights();
const x = draw(Random.for(5, "x"), [length, hidden]) as Matrix;

/** Runs a layer over x; `mu` is an input of the graph. */
async function run(layer: Attention, mu: number): Promise<Tensor> {
  const { y } = await evaluate(
    ({ x, mu }) => {
      if (layer instanceof LiZAttention && layer.memory_gate.magWeight !== 1)
        layer.memory_gate.magWeight = mu;
      return { y: layer.forward(x, new ForwardContext({ batch: 1, length })) };
    },
    { x: tensorOf([x]), mu: Tensor.scalar(mu) },
    parametersOf(weights),
  );
  return y;
}

function titanize(base: Attention, options: LiZAttentionOptions): LiZAttention {
  const layer = new LiZAttention(base, options, new LCache());
  layer.memory_gate.magWeight = new Parameter("f32", []);
  return layer;
}

describe("a titanized layer computes what the loops compute", () => {
  test.each<[string, LiZAttentionOptions]>([
    ["plainly", { recurrentConfig: plain }],
    ["with order 2, gates, a non-linear memory", { recurrentConfig: rich, maxChunkSize: 4 }],
    ["with a cross gate", { recurrentConfig: plain, crossGate: true }],
    ["with the scale of the softmax output", { recurrentConfig: plain, baseScaleAttn: true }],
    ["with both", { recurrentConfig: plain, baseScaleAttn: true, crossGate: true }],
    ["with softmax over the last 3 tokens", { recurrentConfig: plain, maxSelfAttnLength: 3 }],
    ["with the mean of both directions", { recurrentConfig: rich, bidirectional: true }],
  ])("%s", async (_, options) => {
    for (const mu of [0.3, 1])
      expectClose(
        await run(titanize(buildBase(), options), mu),
        reference(x, weights, mu, options),
        1e-5,
        `mu ${mu}`,
      );
  });
});

test("with mu = 0 it is the base layer", async () => {
  const base = await run(buildBase(), 0);
  for (const options of [
    { recurrentConfig: plain },
    { recurrentConfig: rich, crossGate: true, baseScaleAttn: true },
  ])
    expect((await run(titanize(buildBase(), options), 0)).f32).toEqual(base.f32);
});

test("without its linear attention it is the base layer, bit for bit, and keeps the base layer's window", async () => {
  const layer = titanize(buildBase(), { recurrentConfig: rich, maxSelfAttnLength: 2 });
  layer.disableLinearAttn = true;
  expect((await run(layer, 0.5)).f32).toEqual((await run(buildBase(), 0)).f32);
  expect(layer.window).toBe(Number.POSITIVE_INFINITY);
});

test("with the memory alone no softmax is computed", async () => {
  const layer = titanize(buildBase(), { recurrentConfig: rich });
  const softmaxNodes = () => {
    const y = layer.forward(
      new Parameter("f32", [1, length, hidden]),
      new ForwardContext({ batch: 1, length }),
    );
    return nodesOf([y]).filter((node) => node.op.name === "softmax").length;
  };
  const mixed = await run(layer, 1);
  expect(softmaxNodes()).toBe(1);
  layer.memory_gate.magWeight = 1;
  expect(softmaxNodes()).toBe(0);
  expectClose(await run(layer, 1), [...mixed.f32]);
});

test.each([false, true])(
  "gradients agree with central differences (checkpointing %s)",
  async (checkpointing) => {
    const options: LiZAttentionOptions = {
      recurrentConfig: rich,
      maxChunkSize: 4,
      crossGate: true,
      baseScaleAttn: true,
    };
    const layer = titanize(buildBase(), options);
    const parameters = [...layer.base_attn.namedParameters()].map(([, parameter]) => parameter);
    const cotangent = draw(Random.for(6, "g"), [length, hidden]) as Matrix;
    const mu = 0.4;
    const actual = await evaluate(
      ({ x, mu, g }) => {
        const forward = ([x, mu]: readonly Value[]) => {
          layer.memory_gate.magWeight = mu!;
          return layer.forward(x!, new ForwardContext({ batch: 1, length }));
        };
        const y = checkpointing ? checkpoint(forward, [x, mu]) : forward([x, mu]);
        const names = ["x", "mu", ...parameters.map(({ name }) => name)];
        const found = gradients(sum(mul(y, g)), [x, mu, ...parameters]);
        return Object.fromEntries(found.map((value, i) => [names[i]!, value]));
      },
      { x: tensorOf([x]), mu: Tensor.scalar(mu), g: tensorOf([cotangent]) },
      parametersOf(weights),
    );
    const loss = (x: Matrix, weights: Weights, mu: number) =>
      dot(flatten(reference(x, weights, mu, options)), flatten(cotangent));
    const tolerance = 1e-4;
    expectClose(
      actual.x!,
      centralDifferences(x, (changed) => loss(changed, weights, mu)),
      tolerance,
      "x",
    );
    expectClose(
      actual.mu!,
      centralDifferences(mu, (changed) => loss(x, weights, changed)),
      tolerance,
      "mu",
    );
    for (const name of projections) {
      for (const part of ["A", "B"] as const) {
        const expected = centralDifferences(weights[name][part], (changed) =>
          loss(x, { ...weights, [name]: { ...weights[name], [part]: changed } }, mu),
        );
        const key = `${name}.lora_${part}.weight`;
        expectClose(actual[key]!, expected, tolerance, key);
      }
    }
  },
);
