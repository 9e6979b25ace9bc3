import { describe, expect, onTestFinished, test } from "vitest";
import { toDataset } from "../../src/data/dataset.js";
import type { Tensor } from "../../src/engine/index.js";
import { evaluateMemory } from "../../src/evaluate/memory.js";
import type { Metric } from "../../src/evaluate/result.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { learnedMu } from "../tptt/memory/reference.js";
import { expectClose } from "../tptt/memory/run.js";
import { openTitan, randomIds, randomizeParams, rows, vocabSize } from "../tptt/titan.js";
import { type LoopOptions, operatorMode, runTitan, writeLlama } from "./llama-titan.js";

const examples = [9, 21, 14].map((length, i) => {
  const inputIds = randomIds(length, i);
  return { inputIds, labels: inputIds.map((id, t) => (i === 1 && t < 5 ? -100 : id)) };
});

/** The distribution after each token, from the logits of one text: [S][vocab] of log probabilities. */
async function logProbs(model: TpttModel, ids: readonly number[]): Promise<number[][]> {
  const { logits } = await model.forward({ inputIds: rows([ids]) });
  return ids.map((_, t) => {
    const scores = [...logits.f32.subarray(t * vocabSize, (t + 1) * vocabSize)];
    const sum = Math.log(scores.reduce((total, score) => total + Math.exp(score), 0));
    return scores.map((score) => score - sum);
  });
}

/** Loss and KL(base || model) per predicted token by plain loops. */
async function byLoops(model: TpttModel, base: TpttModel) {
  let [loss, divergence, count] = [0, 0, 0];
  for (const { inputIds, labels } of examples) {
    const [p, q] = [await logProbs(base, inputIds), await logProbs(model, inputIds)];
    for (let t = 1; t < inputIds.length; t++) {
      if (labels[t] === -100) continue;
      count++;
      loss -= q[t - 1]![inputIds[t]!]!;
      for (const [word, logP] of p[t - 1]!.entries())
        divergence += Math.exp(logP) * (logP - q[t - 1]![word]!);
    }
  }
  return { loss: loss / count, divergence: divergence / count, count };
}

const at = (breakdown: readonly Metric[], name: string, mu: number | string, layer?: number) =>
  breakdown.find(
    (entry) => entry.name === name && entry.where!.mag_weight === mu && entry.where!.layer === layer,
  )!;

const options = { batchSize: 2, maxLength: 32, recallTexts: [] };

test.each(["llama-gqa", "gpt2"])(
  "loss and divergence from the untouched base are those of plain loops (%s)",
  async (name) => {
    const model = await openTitan(name, { operatorMode: "delta_rule", loraConfig: { r: 2 }, magWeight: 0.4 });
    randomizeParams(model);
    const base = await openTitan(name, { disableLinearAttn: true });
    const { params } = model;
    const seen: number[] = [];
    const { metrics, breakdown, notes } = await evaluateMemory(model, toDataset(examples), {
      ...options,
      magWeights: [0, 1],
      onBatch: (done, total) => seen.push(done / total),
    });
    // The model is as it was.
    expect([model.params, model.magWeight, model.disableLinearAttn]).toEqual([params, 0.4, false]);
    expect(seen).toEqual([0.5, 1]);
    expect(notes).toEqual({ own_mag_weight: 0.4 });
    for (const mu of [0, 0.4, 1]) {
      model.magWeight = mu;
      const expected = await byLoops(model, base);
      const loss = at(breakdown!, "loss", mu);
      expect(loss.count).toBe(expected.count);
      expect(loss.value).toBeCloseTo(expected.loss, 4);
      expect(at(breakdown!, "kl_from_base", mu).value).toBeCloseTo(expected.divergence, 4);
      expect(expected.divergence).toBeGreaterThan(1e-3);
    }
    expect(metrics.map(({ name, value }) => [name, value])).toEqual(
      ["loss", "kl_from_base", "memory_share"].map((name) => [name, at(breakdown!, name, 0.4).value]),
    );
  },
);

test("a titan that was not trained is its base model at mu 0, and the memory has all of the output at mu 1", async () => {
  const model = await openTitan("gemma3", {
    operatorMode: "delta_product",
    loraConfig: { r: 2 },
    disableLinearAttn: true,
  });
  const { breakdown } = await evaluateMemory(model, toDataset(examples), {
    ...options,
    magWeights: [0, 0.5, 1],
  });
  expect(model.disableLinearAttn).toBe(true);
  expect(at(breakdown!, "kl_from_base", 0).value).toBe(0);
  expect(at(breakdown!, "kl_from_base", 0.5).value).toBeGreaterThan(0);
  const layers = model.base.attentions().length;
  for (let layer = 0; layer < layers; layer++) {
    expect(at(breakdown!, "memory_share", 0, layer).value).toBe(0);
    expect(at(breakdown!, "memory_share", 1, layer).value).toBe(1);
    const half = at(breakdown!, "memory_share", 0.5, layer).value;
    expect(half).toBeGreaterThan(0.01);
    expect(half).toBeLessThan(0.99);
  }
  expect(at(breakdown!, "memory_share", 0.5, layers)).toBeUndefined();
});

/** The mean of the memory's shares over the tokens of all texts, of each layer, by plain loops. */
function sharesByLoops(loops: LoopOptions): number[] {
  const results = examples.map(({ inputIds }) => runTitan(inputIds, loops));
  return results[0]!.memory.map((_, layer) => {
    const shares = results.flatMap(({ attention, memory }) =>
      memory[layer]!.map((linear, t) => linear / (linear + attention[layer]![t]!)),
    );
    return shares.reduce((sum, share) => sum + share, 0) / shares.length;
  });
}

describe("what each path adds to a layer's output is what plain loops over weights and tokens add", () => {
  test.each<[string, Omit<LoopOptions, "mu">]>([
    ["plainly", {}],
    ["with the scale of the softmax output", { baseScaleAttn: true }],
    ["with a cross gate", { crossGate: true }],
  ])("%s", async (_, mixing) => {
    const folder = await writeLlama();
    const model = await TpttModel.fromPretrained(folder, { operatorMode, ...mixing });
    onTestFinished(() => model.dispose());
    const inputIds = randomIds(12);
    const magWeights = [0.3, 0.8];
    for (const mu of magWeights) {
      model.magWeight = mu;
      const expected = runTitan(inputIds, { ...mixing, mu: (_, x) => x.map(() => mu) });
      // The loops are those of this model.
      const { lastHiddenState } = await model.encode({ inputIds: rows([inputIds]) });
      expectClose(lastHiddenState, expected.hidden, 1e-4, `mu ${mu}: hidden states`);
      const { attention, memory } = await model.pathNorms({ inputIds: rows([inputIds]) });
      expect(memory.shape).toEqual([2, 1, 12]);
      expectClose(attention, expected.attention, 1e-4, `mu ${mu}: attention`);
      expectClose(memory, expected.memory, 1e-4, `mu ${mu}: memory`);
    }
    const { breakdown } = await evaluateMemory(model, toDataset(examples), { ...options, magWeights });
    for (const mu of magWeights) {
      const shares = sharesByLoops({ ...mixing, mu: (_, x) => x.map(() => mu) });
      for (const [layer, share] of shares.entries()) {
        expect(share).toBeGreaterThan(0.05);
        expect(share).toBeLessThan(0.95);
        expect(at(breakdown!, "memory_share", mu, layer).value).toBeCloseTo(share, 4);
      }
      const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
      expect(at(breakdown!, "memory_share", mu).value).toBeCloseTo(mean, 4);
    }
  });
});

/** The rows of a convolution's kernel: its shape is [1, channels, taps]. */
const kernelOf = ({ shape, f32 }: Tensor): number[][] =>
  Array.from({ length: shape[1]! }, (_, i) => [...f32.subarray(i * shape[2]!, (i + 1) * shape[2]!)]);

test("a learned mu is not swept, and the shares follow it from token to token", async () => {
  const model = await TpttModel.fromPretrained(await writeLlama(), { operatorMode, magMode: "dynamic" });
  onTestFinished(() => model.dispose());
  randomizeParams(model);
  const { breakdown, notes } = await evaluateMemory(model, toDataset(examples), {
    ...options,
    magWeights: [0, 1],
  });
  expect(new Set(breakdown!.map(({ where }) => where!.mag_weight))).toEqual(new Set(["learned"]));
  expect(notes).toEqual({ own_mag_weight: "learned" });
  const gate = (layer: number, part: string) =>
    model.params[`model.layers.${layer}.self_attn.memory_gate.dynamic_gate.conv1d.${part}`]!;
  const shares = sharesByLoops({
    mu: (layer, x) => learnedMu(x, kernelOf(gate(layer, "weight")), gate(layer, "bias").item()),
  });
  for (const [layer, share] of shares.entries())
    expect(at(breakdown!, "memory_share", "learned", layer).value).toBeCloseTo(share, 4);
});

test("recall is measured at each mu", async () => {
  const model = await openTitan("llama-gqa", { operatorMode: "delta_rule" });
  const best = (await logProbs(model, randomIds(8)))[5]!;
  const token = best.indexOf(Math.max(...best));
  const recallTexts = [
    {
      inputIds: randomIds(8),
      questions: [{ answer: [{ after: 5, token }], distance: 3 }],
      where: { pairs: 1 },
    },
  ];
  const seen: number[] = [];
  const { metrics, breakdown } = await evaluateMemory(model, toDataset(examples), {
    ...options,
    magWeights: [0],
    recallTexts,
    onBatch: (done, total) => seen.push(done / total),
  });
  expect(metrics.find(({ name }) => name === "recall")).toMatchObject({
    value: 1,
    count: 1,
    method: "wilson",
  });
  expect(breakdown!.filter(({ name }) => name === "recall")).toHaveLength(2);
  expect(seen).toEqual([0.25, 0.5, 0.75, 1]);
});
