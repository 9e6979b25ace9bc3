import { expect, test } from "vitest";
import { GraphCache } from "../../../src/tptt/graphs/graph-cache.js";

function graph() {
  const made = { released: 0, release: async () => void made.released++ };
  return made;
}

test("a graph is compiled once for each kind and shape, also when it is asked for twice at a time", async () => {
  const cache = new GraphCache();
  let compiled = 0;
  const compile = async () => {
    compiled++;
    return graph();
  };
  const [first, second] = await Promise.all([
    cache.get("loss", { batch: 1 }, compile),
    cache.get("loss", { batch: 1 }, compile),
  ]);
  expect(second).toBe(first);
  expect(await cache.get("loss", { batch: 2 }, compile)).not.toBe(first);
  expect(await cache.get("logits", { batch: 1 }, compile)).not.toBe(first);
  expect(compiled).toBe(3);
  await cache.release();
  expect(first.released).toBe(1);
  expect(await cache.get("loss", { batch: 1 }, compile)).not.toBe(first);
});

test("what failed to compile is tried again", async () => {
  const cache = new GraphCache();
  const failing = () => Promise.reject(new Error("out of memory"));
  await expect(cache.get("loss", {}, failing)).rejects.toThrow("out of memory");
  const made = await cache.get("loss", {}, async () => graph());
  await cache.release();
  expect(made.released).toBe(1);
});

test("those that were used last can be kept", async () => {
  const cache = new GraphCache();
  const get = (batch: number) => cache.get("loss", { batch }, async () => graph());
  const [one, two, three] = [await get(1), await get(2), await get(3)];
  await get(1);
  await cache.release(4);
  await cache.release(2);
  expect([one.released, two.released, three.released]).toEqual([0, 1, 0]);
  expect(await get(1)).toBe(one);
  expect(await get(2)).not.toBe(two);
});
