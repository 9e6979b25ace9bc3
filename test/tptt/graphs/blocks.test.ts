import { expect, test } from "vitest";
import { blocksOf } from "../../../src/tptt/graphs/blocks.js";

const sizes = (count: number) => blocksOf(count).map(({ size }) => size);

test("tokens are cut into blocks of 256, the rest into 64, and a few are read one by one", () => {
  expect(sizes(0)).toEqual([]);
  expect(sizes(8)).toEqual(Array(8).fill(1));
  expect(sizes(9)).toEqual([64]);
  expect(sizes(512)).toEqual([256, 256]);
  expect(sizes(400)).toEqual([256, 64, 64, 64]);
  expect(sizes(577)).toEqual([256, 256, 64, 1]);
});

test("blocks follow one another, and know where the last of their size begins", () => {
  expect(blocksOf(400)).toEqual([
    { start: 0, size: 256, lastStart: 0 },
    { start: 256, size: 64, lastStart: 384 },
    { start: 320, size: 64, lastStart: 384 },
    { start: 384, size: 64, lastStart: 384 },
  ]);
  expect(blocksOf(800).map(({ lastStart }) => lastStart)).toEqual([512, 512, 512, 768]);
});
