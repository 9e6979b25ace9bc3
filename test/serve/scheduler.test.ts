import { expect, onTestFinished, test, vi } from "vitest";
import { runtime } from "#runtime";
import type { Generation, GenerationRequest } from "../../src/serve/generation.js";
import { RefusedError, Scheduler } from "../../src/serve/scheduler.js";
import { Decoder } from "../../src/tptt/graphs/decoder.js";
import type { TpttModel } from "../../src/tptt/tptt-model.js";
import { openTalker } from "./serving.js";

const request = (
  model: TpttModel,
  prompt: string,
  options: Partial<GenerationRequest> = {},
): GenerationRequest => ({
  model,
  prompt: model.requireTokenizer().encode(prompt),
  maxNewTokens: 24,
  stopIds: model.eosTokenIds,
  sampling: { temperature: 0 },
  seed: 0,
  stop: [],
  ...options,
});

async function textOf({ pieces }: Generation): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece.text;
  return text;
}

const prompts = ["a", "What is 2 and 3?", "b".repeat(90), "x = ", "Once upon a time", "zz", "9 8 7"];

test.each([
  ["a titan", {}, "llama-gqa"],
  ["a titan with windows", { operatorMode: "delta_product" as const }, "gemma3"],
  ["the memory alone", { magWeight: 1 }, "llama-gqa"],
  ["a base model", { disableLinearAttn: true }, "llama-gqa"],
  ["the form tptt-0.12", { operatorForm: "tptt-0.12" as const }, "llama-gqa"],
])("texts that are written together are those that are written alone: %s", async (_, options, fixture) => {
  const model = await openTalker(options, fixture);
  const expected: string[] = [];
  const lengths = prompts.map((_, i) => 8 + 7 * i);
  for (const [i, prompt] of prompts.entries())
    expected.push(await model.generate({ prompt, maxNewTokens: lengths[i]! }));
  // Rows come and go: there is room for four, and their texts are of unequal length.
  const scheduler = new Scheduler({ maxBatchSize: 4, maxQueueLength: 10 });
  const generations = scheduler.submit(
    prompts.map((prompt, i) => request(model, prompt, { maxNewTokens: lengths[i]! })),
  );
  expect(await Promise.all(generations.map(textOf))).toEqual(expected);
  expect(generations.map(({ newTokens }) => newTokens)).toEqual(lengths);
  expect(scheduler.running + scheduler.queueLength).toBe(0);
});

test.each([
  // Blocks of 256, 64 and 1 of one row, a token of 2 and 4 rows, and the head of them all.
  ["a titan", {}, 6],
  ["the memory alone", { magWeight: 1 }, 6],
])("texts of up to 1024 tokens need no graph that was not made ahead: %s", async (_, options, count) => {
  const model = await openTalker(options);
  const scheduler = new Scheduler({ maxBatchSize: 3, maxQueueLength: 10 });
  const create = vi.spyOn(runtime, "createSession");
  onTestFinished(() => create.mockRestore());
  await scheduler.prepare(model, new AbortController().signal);
  expect(create).toHaveBeenCalledTimes(count);
  const lengths = [900, 2, 30, 220, 600, 5, 12];
  const generations = scheduler.submit(
    lengths.map((length, i) => request(model, "b".repeat(length - 1), { maxNewTokens: 10 + 20 * i })),
  );
  for (const text of await Promise.all(generations.map(textOf))) expect(text.length).toBeGreaterThan(0);
  expect(create).toHaveBeenCalledTimes(count);
});

test("what is made ahead in the form tptt-0.12 writes; an interruption stops it", async () => {
  const create = vi.spyOn(runtime, "createSession");
  onTestFinished(() => create.mockRestore());
  const scheduler = new Scheduler({ maxBatchSize: 4, maxQueueLength: 10 });
  await scheduler.prepare(await openTalker(), AbortSignal.abort());
  expect(create).not.toHaveBeenCalled();
  await scheduler.prepare(await openTalker({ operatorForm: "tptt-0.12" }), new AbortController().signal);
  expect(create).toHaveBeenCalledTimes(2);
});

test("a text that grows beyond its ring, beside short ones that come later, stays what it is alone", async () => {
  const model = await openTalker();
  const prompt = "long ".repeat(180);
  const expected = await model.generate({ prompt, maxNewTokens: 300 });
  const short = await model.generate({ prompt: "ab", maxNewTokens: 3 });
  const scheduler = new Scheduler({ maxBatchSize: 4, maxQueueLength: 10 });
  const [long] = scheduler.submit([request(model, prompt, { maxNewTokens: 300 })]);
  let text = "";
  let pieces = 0;
  let shorts = 0;
  for await (const piece of long!.pieces) {
    text += piece.text;
    if (++pieces % 30 !== 0 || piece.finishReason) continue;
    const [other] = scheduler.submit([request(model, "ab", { maxNewTokens: 3 })]);
    expect(await textOf(other!)).toBe(short);
    shorts++;
  }
  expect(text).toBe(expected);
  expect(shorts).toBeGreaterThan(2);
});

test("each text has its own draws, as its seed says, whoever is beside it", async () => {
  const model = await openTalker();
  const sampling = { temperature: 1.2, topP: 0.95 };
  const expected = await model.generate({ prompt: "a", maxNewTokens: 24, ...sampling, seed: 5 });
  const scheduler = new Scheduler({ maxBatchSize: 8, maxQueueLength: 10 });
  const seeds = [5, 6, 5, 7];
  const texts = await Promise.all(
    scheduler.submit(seeds.map((seed) => request(model, "a", { sampling, seed }))).map(textOf),
  );
  expect(texts[0]).toBe(expected);
  expect(texts[2]).toBe(expected);
  expect(new Set(texts).size).toBe(3);
});

test("beyond its queue nothing is taken, and all of several texts or none", async () => {
  const model = await openTalker();
  const scheduler = new Scheduler({ maxBatchSize: 2, maxQueueLength: 3 });
  const many = (count: number) => Array.from({ length: count }, () => request(model, "a"));
  expect(() => scheduler.submit(many(6))).toThrow(RefusedError);
  const taken = scheduler.submit(many(5));
  expect(() => scheduler.submit(many(1))).toThrow(RefusedError);
  const texts = await Promise.all(taken.map(textOf));
  expect(new Set(texts).size).toBe(1);
  expect(await Promise.all(scheduler.submit(many(5)).map(textOf))).toEqual(texts);
});

test("a text that nobody reads any more frees its place, in the queue too", async () => {
  const model = await openTalker();
  const expected = await model.generate({ prompt: "a", maxNewTokens: 24 });
  const scheduler = new Scheduler({ maxBatchSize: 1, maxQueueLength: 2 });
  const endless = { maxNewTokens: 1000 };
  const [first, second, third] = scheduler.submit([
    request(model, "a", endless),
    request(model, "b", endless),
    request(model, "a"),
  ]);
  await second!.pieces.cancel();
  for await (const { text } of first!.pieces) if (text) break;
  expect(await textOf(third!)).toBe(expected);
  expect(first!.done).toBe(true);
  expect(first!.newTokens).toBeLessThan(100);
  expect(second!.newTokens).toBe(0);
});

test("a long prompt that nobody waits for any more frees its place after the piece that is being read", async () => {
  const model = await openTalker();
  const expected = await model.generate({ prompt: "a", maxNewTokens: 24 });
  const scheduler = new Scheduler({ maxBatchSize: 1, maxQueueLength: 2 });
  const read = vi.spyOn(Decoder.prototype, "read");
  onTestFinished(() => read.mockRestore());
  const [long, short] = scheduler.submit([request(model, "b".repeat(900)), request(model, "a")]);
  while (read.mock.results.length === 0) await new Promise(setImmediate);
  await read.mock.results[0]!.value;
  // As an event that came while the piece was read.
  setImmediate(() => void long!.pieces.cancel());
  expect(await textOf(short!)).toBe(expected);
  expect(read.mock.calls.map(([[row]]) => row!.length).slice(0, 2)).toEqual([256, 2]);
  expect(long!.newTokens).toBe(0);
});

test("an error in a text is its own", async () => {
  const model = await openTalker();
  const broken = await openTalker();
  broken.params = {};
  const expected = await model.generate({ prompt: "a", maxNewTokens: 24 });
  const scheduler = new Scheduler({ maxBatchSize: 4, maxQueueLength: 2 });
  const [bad, good] = scheduler.submit([request(broken, "a"), request(model, "a")]);
  await expect(textOf(bad!)).rejects.toThrow("expected a tensor for the parameter");
  expect(await textOf(good!)).toBe(expected);
});

test("closing lets what is being written end, and takes nothing more", async () => {
  const model = await openTalker();
  const scheduler = new Scheduler({ maxBatchSize: 1, maxQueueLength: 4 });
  const texts = scheduler.submit([request(model, "a"), request(model, "b")]).map(textOf);
  const closed = scheduler.close();
  expect(() => scheduler.submit([request(model, "a")])).toThrow("no more texts are taken");
  await closed;
  for (const text of await Promise.all(texts)) expect(text.length).toBeGreaterThan(0);
});

test("an abort ends all texts with its error", async () => {
  const model = await openTalker();
  const scheduler = new Scheduler({ maxBatchSize: 1, maxQueueLength: 4 });
  const generations = scheduler.submit([request(model, "a"), request(model, "b")]);
  const reading = Promise.allSettled(generations.map(textOf));
  scheduler.abort(new Error("enough"));
  await scheduler.close();
  for (const result of await reading) expect(result).toMatchObject({ status: "rejected" });
});
