import { expect, onTestFinished, test } from "vitest";
import { farQuestion, measureReading, RecallTest, trainOnFacts } from "../../../src/cli/demo/experiment.js";
import { tinyModel } from "../../../src/cli/demo/run-demo.js";
import { factsVocabulary } from "../../../src/data/facts.js";
import type { FromPretrainedOptions } from "../../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";

async function open(options: FromPretrainedOptions): Promise<TpttModel> {
  const model = await TpttModel.fromPretrained(tinyModel, options);
  onTestFinished(() => model.dispose());
  return model;
}

test("the tiny model recalls what its window holds and nothing else", async () => {
  const model = await open({ disableLinearAttn: true });
  expect(model.base.config).toMatchObject({ modelType: "mistral", vocabSize: factsVocabulary.length });
  expect(model.base.attentions().map(([, { window }]) => window)).toEqual([48, 48]);
  const [inside, ...beyond] = await new RecallTest(48, 4, 7).run(model);
  expect(inside!.rate).toBeGreaterThanOrEqual(0.95);
  const matches = beyond.reduce((sum, recall) => sum + recall.matches, 0);
  const total = beyond.reduce((sum, recall) => sum + recall.total, 0);
  expect(total).toBeGreaterThan(120);
  expect(matches / total).toBeLessThan(0.1);
});

test("the state of a titan is as large after 896 tokens as after 128", async () => {
  const model = await open({ operatorMode: "delta_rule" });
  const { tokensPerSecond, stateBytes } = await measureReading(model, 0);
  // Two layers: 48 keys and 48 values, a memory of 32 x 32 in each of 4 heads, the last two keys for the gate.
  const numbers = 2 * (2 * 48 * 128 + 4 * 32 * 32 + 2 * 128);
  expect(stateBytes).toEqual([128, 896].map((tokens) => ({ tokens, bytes: 4 * numbers })));
  expect(tokensPerSecond).toBeGreaterThan(0);
});

test("a question lies four windows after its fact, which the prompt tells", async () => {
  const model = await open({ disableLinearAttn: true });
  const { prompt, answer, distance } = farQuestion(model, 48, 1);
  const name = prompt.split(" ").at(-1);
  expect(prompt).toContain(`${name} ${answer} .`);
  expect(distance).toBeGreaterThanOrEqual(192);
});

test("training starts without memory, and a seed fixes it", async () => {
  const run = async () => {
    const model = await open({ operatorMode: "delta_rule", loraConfig: { r: 2 } });
    const told: unknown[] = [];
    await trainOnFacts(model, { steps: 3, seed: 5, onStep: (...step) => told.push(step) });
    return { told, mu: model.magWeight };
  };
  const first = await run();
  expect(first.told).toEqual([
    [1, 3, { loss: expect.closeTo(4, -1), mu: 0 }],
    [2, 3, { loss: expect.any(Number), mu: 0.5 }],
    [3, 3, { loss: expect.any(Number), mu: 0.5 }],
  ]);
  expect(await run()).toEqual(first);
});
