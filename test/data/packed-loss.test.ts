import { expect, test } from "vitest";
import { collate } from "../../src/data/collate.js";
import { toDataset } from "../../src/data/dataset.js";
import { packDataset } from "../../src/data/pack.js";
import type { Example } from "../../src/data/tokenize.js";
import { openTitan, randomIds } from "../tptt/titan.js";

test("of examples in one sequence the first has the loss that it has alone, and the next sees it", async () => {
  const model = await openTitan("llama-gqa", { operatorMode: "delta_rule", magWeight: 0.5 });
  const lossOf = (example: Example) =>
    model.loss(collate([example], { batchSize: 1, buckets: [24], paddingSide: "right" }));
  const learnt = (inputIds: number[]): Example => ({ inputIds, labels: inputIds });
  const [first, second] = [learnt(randomIds(14, 1)), learnt(randomIds(10, 2))];
  const packed = await packDataset(toDataset([first, second]), 24);
  const [both] = (await packed.read([0])) as [Example];
  const alone = [await lossOf(first), await lossOf(second)];
  const together = await lossOf(both);
  expect(together.targets).toBe(alone[0]!.targets + alone[1]!.targets);

  const ofFirst = await lossOf({ ...both, labels: both.labels.map((label, t) => (t < 14 ? label : -100)) });
  expect(ofFirst.lossSum).toBeCloseTo(alone[0]!.lossSum, 4);
  expect(Math.abs(together.lossSum - ofFirst.lossSum - alone[1]!.lossSum)).toBeGreaterThan(0.01);
});
