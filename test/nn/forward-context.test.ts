import { expect, test } from "vitest";
import { compile, constant, Tensor, type Value } from "../../src/engine/index.js";
import { ForwardContext, type ForwardContextOptions } from "../../src/nn/forward-context.js";

/** Two rows of five tokens: two padded on the left, one padded on the right. */
const mask = new Tensor("bool", [2, 5], Uint8Array.of(0, 0, 1, 1, 1, 1, 1, 1, 1, 0));
const masked = { batch: 2, length: 5, mask: constant(mask) };

async function evaluate(value: Value): Promise<number[]> {
  const run = await compile(() => ({ value }), { inputs: {}, threads: 1 });
  const { value: tensor } = await run.run({});
  await run.release();
  return Array.from(tensor.data, Number);
}

/** Rows of "x" where a token sees a key and "." where it does not. */
async function pattern(
  options: ForwardContextOptions,
  window?: number,
  keys = options.length,
): Promise<string[]> {
  const context = new ForwardContext(options);
  const cells = (await evaluate(context.bias(window, context.past?.layers[0]))).map((x) =>
    x === 0 ? "x" : ".",
  );
  return Array.from({ length: cells.length / keys }, (_, i) =>
    cells.slice(i * keys, (i + 1) * keys).join(""),
  );
}

test("without padding and past, token t stands at t and nothing is computed for it", async () => {
  const context = new ForwardContext({ batch: 2, length: 3 });
  expect(context.positions).toBeUndefined();
  expect(await evaluate(context.count)).toEqual([3, 3]);
  expect(await evaluate(context.start)).toEqual([0, 0]);
  expect(await evaluate(context.end)).toEqual([3, 3]);
});

test("positions count real tokens only, from either side", async () => {
  const context = new ForwardContext(masked);
  expect(await evaluate(context.positions!)).toEqual([-1, -1, 0, 1, 2, 0, 1, 2, 3, -1]);
  expect(await evaluate(context.count)).toEqual([3, 4]);
});

test("the real tokens of a row lie between start and end", async () => {
  const context = new ForwardContext(masked);
  expect(await evaluate(context.start)).toEqual([2, 0]);
  expect(await evaluate(context.end)).toEqual([5, 4]);
  const nothing = constant(Tensor.zeros("bool", [1, 3]));
  const empty = new ForwardContext({ batch: 1, length: 3, mask: nothing });
  expect(await evaluate(empty.start)).toEqual([0]);
  expect(await evaluate(empty.end)).toEqual([0]);
});

test("positions go on where the past ended", async () => {
  const past = { seen: constant(Tensor.int64([2], [7, 0])), layers: [] };
  expect(await evaluate(new ForwardContext({ batch: 2, length: 2, past }).positions!)).toEqual([7, 8, 0, 1]);
  expect(await evaluate(new ForwardContext({ ...masked, past }).positions!)).toEqual([
    -1, -1, 7, 8, 9, 0, 1, 2, 3, -1,
  ]);
});

test("a token sees itself and the last of those before it", async () => {
  expect(await pattern({ batch: 1, length: 4 })).toEqual(["x...", "xx..", "xxx.", "xxxx"]);
  expect(await pattern({ batch: 1, length: 4 }, 2)).toEqual(["x...", "xx..", ".xx.", "..xx"]);
});

test("no real token sees padding", async () => {
  const rows = await pattern(masked);
  expect(rows.slice(2, 5)).toEqual(["..x..", "..xx.", "..xxx"]);
  expect(rows.slice(5, 9)).toEqual(["x....", "xx...", "xxx..", "xxxx."]);
  expect((await pattern(masked, 2)).slice(2, 5)).toEqual(["..x..", "..xx.", "...xx"]);
});

test("slots of the past are seen by their positions, in any order, empty ones never", async () => {
  const slots = constant(Tensor.zeros("f32", [1, 1, 3, 2]));
  // A ring: the token at 4 has overwritten the oldest slot; one slot is empty.
  const positions = constant(Tensor.int64([1, 3], [4, 3, -1]));
  const past = {
    seen: constant(Tensor.int64([1], [5])),
    layers: [{ key: slots, value: slots, positions }],
  };
  const options = { batch: 1, length: 2, past };
  expect(await pattern(options, undefined, 5)).toEqual(["xx.x.", "xx.xx"]);
  expect(await pattern(options, 2, 5)).toEqual(["x..x.", "...xx"]);
});

test("what layers share is computed once", () => {
  const context = new ForwardContext(masked);
  expect(context.bias(3)).toBe(context.bias(3));
  expect(context.bias(3)).not.toBe(context.bias(4));
});
