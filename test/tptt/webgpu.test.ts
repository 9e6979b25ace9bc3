import { expect, test } from "vitest";
import { type Device, Tensor } from "../../src/engine/index.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import type { TpttModel } from "../../src/tptt/tptt-model.js";
import { trainingArguments } from "../../src/train/arguments.js";
import { Learner } from "../../src/train/learner.js";
import { describeOnHalfWebgpu, describeOnWebgpu } from "../webgpu-driver.js";
import { longTitan, openTitan, randomIds, randomizeParams, rows } from "./titan.js";

/** The driver is slow: most of the time is the making of shaders. */
const timeout = 240_000;

/** The losses of some steps, each on the same batch. */
async function losses(name: string, options: FromPretrainedOptions): Promise<number[]> {
  const model = await openTitan(name, options);
  const learner = await Learner.create(model, trainingArguments({ gradient_checkpointing: true }));
  const inputIds = rows([randomIds(40), randomIds(40, 1)]);
  const batch = {
    inputIds,
    labels: inputIds,
    targets: 78,
    attentionMask: Tensor.int64([2, 40], Array(80).fill(1)),
  };
  const found: number[] = [];
  for (let step = 0; step < 3; step++) {
    const { loss, apply } = await learner.step([batch], step, 0.02);
    apply();
    found.push(loss);
  }
  await learner.release();
  return found;
}

/** The logits after a prompt and after each of the tokens that follow. */
async function decoded(model: TpttModel, prompt: number): Promise<number[]> {
  randomizeParams(model);
  const decoder = model.decoder();
  const ids = randomIds(prompt + 3);
  const logits: number[] = [];
  for (const tokens of [ids.slice(0, prompt), ...ids.slice(prompt).map((id) => [id])])
    logits.push(...(await decoder.read([tokens]))[0]!);
  return logits;
}

const titans: [string, FromPretrainedOptions][] = [
  ["llama-gqa", { operatorMode: "delta_rule", maxChunkSize: 16, loraConfig: { r: 2 }, dtype: "f32" }],
  ["gemma3", { operatorMode: "delta_product", magMode: "dynamic", loraConfig: { r: 2 }, dtype: "f32" }],
];

describeOnWebgpu("on the WebGPU provider", () => {
  test.each(titans)(
    "%s, %j, learns as on the processor",
    async (name, options) => {
      const expected = await losses(name, { ...options, device: "cpu" });
      expect(expected[2]).toBeLessThan(expected[0]!);
      const found = await losses(name, { ...options, device: "webgpu" });
      expect(found).toBeCloseToTensor(expected, { rtol: 1e-5 });
    },
    timeout,
  );

  test.each(titans)(
    "%s, %j, a decoder's state is copied from the device, and goes on there and on the processor",
    async (name, options) => {
      const model = await openTitan(name, { ...options, device: "webgpu" });
      const processor = await openTitan(name, options);
      for (const titan of [model, processor]) randomizeParams(titan);
      const decoder = model.decoder();
      await decoder.read([randomIds(20)]);
      const state = await decoder.stateDict();
      const [other, elsewhere] = [model.decoder(), processor.decoder()];
      for (const taking of [other, elsewhere]) taking.loadStateDict(state, decoder.seen);
      for (const id of randomIds(3, 1)) {
        const [expected] = await decoder.read([[id]]);
        expect(await other.read([[id]])).toEqual([expected]);
        expect((await elsewhere.read([[id]]))[0]!).toBeCloseToTensor(expected!, { rtol: 1e-4, atol: 1e-4 });
      }
    },
    timeout,
  );

  test.each(titans)(
    "%s, %j, decodes as on the processor",
    async (name, options) => {
      const expected = await decoded(await openTitan(name, { ...options, device: "cpu" }), 11);
      const found = await decoded(await openTitan(name, { ...options, device: "webgpu" }), 11);
      expect(found).toBeCloseToTensor(expected, { rtol: 1e-4, atol: 1e-4 });
    },
    timeout,
  );

  test(
    "keys and values grow on the device",
    async () => {
      const open = (device: Device) =>
        longTitan("llama-gqa", 512, { disableLinearAttn: true, device, dtype: "f32" });
      const expected = await decoded(await open("cpu"), 255);
      const found = await decoded(await open("webgpu"), 255);
      expect(found).toBeCloseToTensor(expected, { rtol: 1e-4, atol: 1e-4 });
    },
    timeout,
  );
});

describeOnHalfWebgpu("on a WebGPU provider with half precision", () => {
  test.each(titans)(
    "%s, %j, learns and decodes in it nearly as on the processor",
    async (name, options) => {
      const half = { ...options, device: "webgpu", dtype: "f16" } as const;
      const expected = await losses(name, options);
      // AdamW makes steps of one size of gradients of any: tiny ones may change their sign.
      expect(await losses(name, half)).toBeCloseToTensor(expected, { rtol: 0.01 });
      const logits = await decoded(await openTitan(name, options), 11);
      expect(await decoded(await openTitan(name, half), 11)).toBeCloseToTensor(logits, {
        rtol: 0.02,
        atol: 0.02,
      });
    },
    timeout,
  );
});
