import { expect, test } from "vitest";
import { Random } from "../src/random.js";

test("the sequence is that of xoshiro128** 1.1", () => {
  // From the reference implementation, state 1, 2, 3, 4.
  const random = new Random([1, 2, 3, 4]);
  expect(Array.from({ length: 10 }, () => random.uint32())).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ]);
});

test("a saved state continues the sequence, and is not moved by it", () => {
  const random = new Random(7);
  random.uint32();
  const { state } = random;
  const next = [random.uint32(), random.uint32()];
  const restored = new Random(JSON.parse(JSON.stringify(state)));
  expect([restored.uint32(), restored.uint32()]).toEqual(next);
  expect(new Random(state).uint32()).toBe(next[0]);
});

test("seeds and purposes give sequences of their own", () => {
  const firsts = [
    new Random(0),
    new Random(1),
    Random.for(0),
    Random.for(0, "layer", 1),
    Random.for(0, "layer", 2),
    Random.for(1, "layer", 1),
  ].map((random) => random.uint32());
  expect(new Set(firsts).size).toBe(6);
  expect(Random.for(0, "layer", 1).uint32()).toBe(firsts[3]);
});

test("uniform numbers fill [0, 1) evenly", () => {
  const random = new Random(3);
  const bins = new Array<number>(16).fill(0);
  const n = 16_000;
  for (let i = 0; i < n; i++) {
    const x = random.uniform();
    bins[Math.floor(x * 16)]!++;
  }
  expect(bins.length).toBe(16);
  // Chi squared with 15 degrees of freedom is below 37.7 in 999 of 1000 cases.
  const chi = bins.reduce((sum, count) => sum + (count - n / 16) ** 2 / (n / 16), 0);
  expect(chi).toBeLessThan(37.7);
});

test("normal numbers have mean 0, variance 1 and no skew", () => {
  const random = new Random(4);
  const x = Array.from({ length: 20_000 }, () => random.normal());
  const moment = (k: number) => x.reduce((sum, v) => sum + v ** k, 0) / x.length;
  expect(Math.abs(moment(1))).toBeLessThan(0.03);
  expect(Math.abs(moment(2) - 1)).toBeLessThan(0.04);
  expect(Math.abs(moment(3))).toBeLessThan(0.08);
  expect(Math.abs(moment(4) - 3)).toBeLessThan(0.2);
});

test("below, choice and shuffle reach every outcome, and a shuffle keeps the items", () => {
  const random = new Random(5);
  expect(new Set(Array.from({ length: 200 }, () => random.below(5)))).toEqual(new Set([0, 1, 2, 3, 4]));
  expect(new Set(Array.from({ length: 100 }, () => random.choice(["a", "b", "c"]))).size).toBe(3);
  const orders = new Set<string>();
  for (let i = 0; i < 300; i++) {
    const items = random.shuffle([1, 2, 3, 4]);
    expect([...items].sort()).toEqual([1, 2, 3, 4]);
    orders.add(items.join());
  }
  expect(orders.size).toBe(24);
});
