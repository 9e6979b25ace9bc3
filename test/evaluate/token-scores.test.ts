import { expect, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import { scoreProbes } from "../../src/evaluate/token-scores.js";
import type { TpttModel } from "../../src/tptt/tptt-model.js";
import { openTitan, randomIds, randomizeParams, rows, vocabSize } from "../tptt/titan.js";

/** Logits of one text in plain numbers: [S][vocab]. */
async function logitsOf(model: TpttModel, ids: readonly number[]): Promise<number[][]> {
  const { logits } = await model.forward({ inputIds: rows([ids]) });
  return ids.map((_, t) => [...logits.f32.subarray(t * vocabSize, (t + 1) * vocabSize)]);
}

const logSoftmax = (scores: readonly number[], token: number): number => {
  let sum = 0;
  for (const score of scores) sum += Math.exp(score);
  return scores[token]! - Math.log(sum);
};

test("tokens have the log probabilities that a plain loop over logits gives, however texts are batched", async () => {
  const model = await openTitan("llama-gqa", { operatorMode: "delta_rule", loraConfig: { r: 2 } });
  randomizeParams(model);
  const probes = [7, 23, 12, 12, 90].map((length, i) => {
    const inputIds = randomIds(length, i);
    // More places than meet the head at once, and the same place twice.
    const places = i === 4 ? inputIds.keys() : [length - 1, 2, 2];
    return {
      inputIds,
      targets: [...places].map((after, j) => ({ after, token: (after + 31 * j) % vocabSize })),
    };
  });
  const best = await logitsOf(model, probes[0]!.inputIds);
  probes[0]!.targets.push({ after: 3, token: best[3]!.indexOf(Math.max(...best[3]!)) });
  for (const batchSize of [1, 2, 3]) {
    const batches: number[] = [];
    const scores = await scoreProbes(model, probes, { batchSize, onBatch: (done) => batches.push(done) });
    expect(batches.length).toBe(Math.ceil(probes.length / batchSize));
    for (const [i, { inputIds, targets }] of probes.entries()) {
      const logits = await logitsOf(model, inputIds);
      expect(scores[i]).toHaveLength(targets.length);
      for (const [j, { after, token }] of targets.entries()) {
        expect(scores[i]![j]!.logProb).toBeCloseTo(logSoftmax(logits[after]!, token), 4);
        expect(scores[i]![j]!.greedy).toBe(logits[after]![token] === Math.max(...logits[after]!));
      }
    }
    expect(scores[0]!.at(-1)!.greedy).toBe(true);
  }
});

test("the divergence is that of a plain loop, and none of a model from itself", async () => {
  const model = await openTitan("gemma3", { operatorMode: "delta_rule" });
  const other = await openTitan("gemma3", { disableLinearAttn: true });
  const ids = randomIds(16);
  const hiddenOf = async (of: TpttModel) =>
    (await of.encode({ inputIds: rows([ids]) })).lastHiddenState.reshape(
      [16, -1].with(1, of.base.config.hiddenSize),
    );
  const targets = Tensor.int64([16], ids);
  const hidden = await hiddenOf(model);
  const reference = await other.logitsOf(await hiddenOf(other));
  const { divergence, logProbs } = await model.scoreTokens({ hidden, targets, reference });
  const [p, q] = [await logitsOf(other, ids), await logitsOf(model, ids)];
  for (const t of ids.keys()) {
    let expected = 0;
    for (let word = 0; word < vocabSize; word++) {
      const logP = logSoftmax(p[t]!, word);
      expected += Math.exp(logP) * (logP - logSoftmax(q[t]!, word));
    }
    expect(divergence!.f32[t]).toBeCloseTo(expected, 4);
    expect(logProbs.f32[t]).toBeCloseTo(logSoftmax(q[t]!, ids[t]!), 4);
  }
  expect(Math.max(...divergence!.f32)).toBeGreaterThan(1e-3);
  const own = await model.scoreTokens({ hidden, targets, reference: await model.logitsOf(hidden) });
  expect(Math.max(...own.divergence!.f32.map(Math.abs))).toBeLessThan(1e-6);
});
