import { expect, test } from "vitest";
import { toDataset } from "../../src/data/dataset.js";
import { evaluateMemory } from "../../src/evaluate/memory.js";
import type { Metric } from "../../src/evaluate/result.js";
import type { TpttModel } from "../../src/tptt/tptt-model.js";
import { openTitan, randomIds, randomizeParams, rows, vocabSize } from "../tptt/titan.js";

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

test("what the paths add up to is the layer's output: with bias, and with shares that follow mu", async () => {
  // |mu m| / (|mu m| + |(1 - mu) s|): from the norms at one mu those at any other follow.
  const model = await openTitan("gpt2", { operatorMode: "delta_rule" });
  const inputIds = rows([randomIds(12)]);
  const norms = async (mu: number) => {
    model.magWeight = mu;
    const { attention, memory } = await model.pathNorms({ inputIds });
    // The first layer's input does not depend on mu.
    return { attention: attention.f32.slice(0, 12), memory: memory.f32.slice(0, 12), shape: attention.shape };
  };
  const [half, most] = [await norms(0.5), await norms(0.8)];
  expect(half.shape).toEqual([model.base.attentions().length, 1, 12]);
  for (let t = 0; t < 12; t++) {
    expect(most.memory[t]! / half.memory[t]!).toBeCloseTo(0.8 / 0.5, 4);
    expect(most.attention[t]! / half.attention[t]!).toBeCloseTo(0.2 / 0.5, 4);
    expect(half.memory[t]).toBeGreaterThan(0);
  }
});

test("a learned mu is not swept", async () => {
  const model = await openTitan("llama-gqa", { operatorMode: "delta_rule", magMode: "dynamic" });
  const { breakdown, notes } = await evaluateMemory(model, toDataset(examples), {
    ...options,
    magWeights: [0, 1],
  });
  expect(new Set(breakdown!.map(({ where }) => where!.mag_weight))).toEqual(new Set(["learned"]));
  expect(notes).toEqual({ own_mag_weight: "learned" });
  const share = at(breakdown!, "memory_share", "learned").value;
  expect(share).toBeGreaterThan(0);
  expect(share).toBeLessThan(1);
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
