import { expect, test } from "vitest";
import { evaluateLoss } from "../../src/evaluate/loss.js";
import { openTitan, randomIds, rows } from "../tptt/titan.js";

test("the loss is the mean over all predicted tokens, however they are batched", async () => {
  const model = await openTitan("llama-gqa", { operatorMode: "gated_delta_rule" });
  const examples = [5, 17, 9, 30, 12].map((length, i) => {
    const inputIds = randomIds(length, i);
    return { inputIds, labels: inputIds.map((id, t) => (i === 2 && t < 4 ? -100 : id)) };
  });
  let [lossSum, targets] = [0, 0];
  for (const { inputIds, labels } of examples) {
    const one = await model.loss({ inputIds: rows([inputIds]), labels: rows([labels]) });
    lossSum += one.lossSum;
    targets += one.targets;
  }
  for (const batchSize of [1, 2, 4]) {
    const seen: number[] = [];
    const summary = await evaluateLoss(model, examples, {
      batchSize,
      maxLength: 32,
      onBatch: (done, total, { tokens }) => seen.push(done / total, tokens),
    });
    expect(summary.tokens).toBe(targets);
    expect(summary.loss).toBeCloseTo(lossSum / targets, 5);
    expect(seen.slice(-2)).toEqual([1, targets]);
    expect(seen).toHaveLength(2 * Math.ceil(5 / batchSize));
  }
});

test("padding on the left gives the same loss", async () => {
  const examples = [5, 17].map((length) => ({ inputIds: randomIds(length), labels: randomIds(length) }));
  const loss = async (paddingSide: "left" | "right") => {
    const model = await openTitan("gemma3", { operatorMode: "delta_product", paddingSide });
    return (await evaluateLoss(model, examples, { batchSize: 3, maxLength: 24 })).loss;
  };
  expect(await loss("left")).toBeCloseTo(await loss("right"), 5);
});
