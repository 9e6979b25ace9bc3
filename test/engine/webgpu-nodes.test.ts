import { expect, test } from "vitest";
import {
  add,
  compile,
  concat,
  type Device,
  FrozenWeights,
  gather,
  linear,
  matmul,
  mul,
  Parameter,
  quantize,
  sizeOf,
  split,
  Tensor,
} from "../../src/engine/index.js";
import { Random } from "../../src/random.js";
import { describeOnWebgpu } from "../webgpu-driver.js";
import { checkOpOn, type OpCase, real } from "./check-op.js";
import { cases } from "./ops/cases.js";

const f32 = (...shape: number[]) => ({ dtype: "f32", shape }) as const;

describeOnWebgpu("on the WebGPU provider", () => {
  test.each(Object.entries(cases))("%s gives what the processor gives", async (_, list) => {
    for (const opCase of list) await checkOpOn("webgpu", opCase);
  });

  test.each([
    [[3, 4], [4, 5], { alpha: 0.5 }],
    [[4, 3], [5, 4], { transA: true, transB: true }],
    [[2, 3, 4], [2, 5, 4], { transB: true, alpha: 2 }],
    [[2, 3, 4, 5], [3, 4, 6], { transA: true }],
  ] as const)("a product of %j and %j, %j, gives what the processor gives", async (a, b, options) => {
    const product: OpCase = {
      inputs: [real(...a), real(...b)],
      apply: ([a, b]) => matmul(a!, b!, options),
      expected: () => 0,
    };
    await checkOpOn("webgpu", product);
  });

  test("any number of parts are cut off and joined", async () => {
    const sizes = Array.from({ length: 60 }, (_, i) => 1 + (i % 3));
    await checkOpOn("webgpu", {
      inputs: [real(2, 120)],
      apply: ([x]) => concat(split(x!, 1, sizes).toReversed(), 1),
      expected: () => 0,
    });
  });

  test.each([4, 8] as const)("weights in blocks of %i bits stand for the same numbers", async (bits) => {
    const [rows, columns] = [48, 64];
    const random = Random.for(3, "blocks");
    const normal = (...shape: number[]) =>
      Tensor.f32(
        shape,
        Array.from({ length: sizeOf(shape) }, () => random.normal()),
      );
    const frozen = await FrozenWeights.create();
    await frozen.addQuantized("w", quantize(normal(rows, columns), bits));
    const tensors = { x: normal(5, columns), g: normal(5, rows), indices: Tensor.int64([3], [3, 0, 47]) };
    const run = async (device: Device) => {
      const w = Object.assign(new Parameter("f32", [rows, columns]), { name: "w" });
      const graph = await compile(
        ({ x, g, indices }) => ({ linear: linear(x, w), back: matmul(g, w), rows: gather(w, indices) }),
        { inputs: tensors, frozen, device },
      );
      const results = await graph.run(tensors);
      await graph.release();
      return results;
    };
    const [expected, given] = [await run("cpu"), await run("webgpu")];
    expect(given.rows).toBeCloseToTensor(expected.rows);
    expect(given.back).toBeCloseToTensor(expected.back, { rtol: 2e-5, atol: 2e-5 });
    // Each rounds the inputs to 8 bits in blocks of its own, if at all.
    expect(given.linear).toBeCloseToTensor(expected.linear, { rtol: 0, atol: 0.2 });
    await frozen.dispose();
  });

  test("what is kept stays on the device, goes into the next run, and has no data to read", async () => {
    const f = await compile(({ state, x }) => ({ state: add(state, x), twice: mul(state, 2) }), {
      inputs: { state: f32(2), x: f32(2) },
      device: "webgpu",
      keep: ["state"],
    });
    let state = Tensor.f32([2], [1, 2]);
    for (let i = 0; i < 3; i++) {
      const before = state;
      ({ state } = await f.run({ state: before, x: Tensor.f32([2], [10, 20]) }));
      before.dispose();
    }
    expect(() => state.data).toThrow("Tensor [2]: lies on the device, where only a session reads it");
    expect((await f.run({ state, x: Tensor.f32([2], [0, 0]) })).twice.f32).toEqual(Float32Array.of(62, 124));
    state.dispose();
    expect(() => state.data).toThrow("used after dispose()");
    await f.release();
  });
});
