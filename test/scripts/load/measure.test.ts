import { expect, test } from "vitest";
import { measure } from "../../../scripts/load/measure.js";
import { openTalker, serveModels } from "../../serve/serving.js";

const load = { model: "tiny", prompt: "a", maxTokens: 4 };

test("all that a server has room for is answered, with how long it took", async () => {
  const { url } = await serveModels({ tiny: await openTalker() });
  const measured = await measure({ ...load, url, clients: 3, requests: 12 });
  expect(measured).toMatchObject({ clients: 3, answered: 12, refused: 0, failed: 0 });
  const { p50, p99, firstToken, tokensPerSecond, residentBytes } = measured;
  expect(p99).toBeGreaterThanOrEqual(p50);
  for (const figure of [firstToken, tokensPerSecond, residentBytes]) expect(figure).toBeGreaterThan(0);
});

test("what it has no room for is refused, and the rest is answered", async () => {
  const { url } = await serveModels({ tiny: await openTalker() }, { maxBatchSize: 1, maxQueueLength: 1 });
  const measured = await measure({ ...load, url, clients: 8, requests: 40, maxTokens: 40 });
  expect(measured.refused).toBeGreaterThan(0);
  expect(measured.answered).toBeGreaterThan(0);
  expect(measured).toMatchObject({ failed: 0, answered: 40 - measured.refused });
});
