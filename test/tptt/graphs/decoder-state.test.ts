import { describe, expect, test } from "vitest";
import { Tensor } from "../../../src/engine/index.js";
import { InputError } from "../../../src/errors.js";
import type { FromPretrainedOptions } from "../../../src/tptt/files/open-titan.js";
import { longTitan, openTitan, randomIds, randomizeParams } from "../titan.js";

const ids = randomIds(24);
const next = randomIds(3, 1);

describe("a decoder that takes over a state gives the same logits as the one that it was of, bit for bit", () => {
  test.each([
    ["llama-gqa", { operatorMode: "delta_rule" }],
    ["llama-gqa", { operatorMode: "delta_rule", magWeight: 1 }],
    ["llama-gqa", { operatorMode: "delta_rule", magWeight: 0 }],
    ["llama-gqa", { operatorMode: "delta_rule", maxSelfAttnLength: 5 }],
    ["llama-gqa", { operatorMode: "gated_delta_product", magMode: "dynamic" }],
    ["llama-mha", { order: 3, trick: "dt", alphaGate: "kv", betaGate: "v", linear: false, maxChunkSize: 4 }],
    ["llama-gqa", { operatorMode: "gated_delta_product", operatorForm: "tptt-0.12" }],
    ["gemma3", { operatorMode: "delta_product_r" }],
  ] as [string, FromPretrainedOptions][])("%s, %j", async (name, options) => {
    const model = await openTitan(name, { loraConfig: { r: 2 }, ...options });
    randomizeParams(model);
    for (const position of [0, 1, 4, 5, 6, 13, 24]) {
      const decoder = model.decoder();
      if (position > 0) await decoder.read([ids.slice(0, position)]);
      const state = await decoder.stateDict();
      const other = model.decoder();
      await other.read([randomIds(9, 7)]);
      other.loadStateDict(state, [position]);
      expect(other.seen).toEqual([position]);
      for (const id of next)
        expect(await other.read([[id]]), `${position}`).toEqual(await decoder.read([[id]]));
      expect(await other.stateDict()).toEqual(await decoder.stateDict());
    }
  });

  test("when rings have grown, and in rows of different lengths", async () => {
    const model = await longTitan("gemma3", 1024, { operatorMode: "delta_rule" });
    const decoder = model.decoder(3);
    await decoder.read([randomIds(400), randomIds(3, 1), []]);
    const other = model.decoder(3);
    other.loadStateDict(await decoder.stateDict(), decoder.seen);
    for (const rows of [
      [next, [5], [6]],
      [[1], [], next],
    ])
      expect(await other.read(rows)).toEqual(await decoder.read(rows));
  });
});

test("a state holds the tokens that attention can look back on, and no more", async () => {
  const model = await openTitan("llama-gqa", { operatorMode: "delta_rule", maxSelfAttnLength: 5 });
  const decoder = model.decoder();
  await decoder.read([ids]);
  const shapes = [...(await decoder.stateDict())].map(([name, { shape }]) => [name, shape]);
  expect(Object.fromEntries(shapes)).toEqual(
    Object.fromEntries(
      [0, 1].flatMap((layer) => [
        [`past_key_values.${layer}.key`, [1, 2, 5, 12]],
        [`past_key_values.${layer}.value`, [1, 2, 5, 12]],
        [`linear_cache.${layer}.recurrent_state`, [1, 2, 12, 12]],
        [`linear_cache.${layer}.pooled_keys`, [1, 2, 24]],
      ]),
    ),
  );
});

test("a state is a copy: neither decoder changes it", async () => {
  const model = await openTitan("llama-gqa", { operatorMode: "delta_rule" });
  const decoder = model.decoder();
  await decoder.read([ids]);
  const state = await decoder.stateDict();
  const before = structuredClone([...state].map(([, { f32 }]) => f32));
  const other = model.decoder();
  other.loadStateDict(state, [24]);
  await other.read([next]);
  await decoder.read([next]);
  expect([...state].map(([, { f32 }]) => f32)).toEqual(before);
});

describe("a state is refused, and what was remembered stays,", () => {
  const recurrent = "linear_cache.1.recurrent_state";
  test.each([
    [
      "when a tensor is missing",
      (state: Map<string, Tensor>) => state.delete(recurrent),
      `state: tensor ${recurrent}: is missing, expected f32 [1,2,12,12]`,
    ],
    [
      "when one has another shape",
      (state: Map<string, Tensor>) => state.set(recurrent, Tensor.zeros("f32", [1, 2, 12, 11])),
      `state: tensor ${recurrent}: is f32 [1,2,12,11], expected f32 [1,2,12,12]`,
    ],
    [
      "when one has another type",
      (state: Map<string, Tensor>) => state.set(recurrent, Tensor.zeros("f64", [1, 2, 12, 12])),
      `state: tensor ${recurrent}: is f64 [1,2,12,12], expected f32`,
    ],
    [
      "when one is unknown",
      (state: Map<string, Tensor>) => state.set("x", Tensor.scalar(1)),
      "state: tensor x: is nothing that this model remembers",
    ],
  ])("%s", async (_, spoil, problem) => {
    const model = await openTitan("llama-gqa", { operatorMode: "delta_rule" });
    const decoder = model.decoder();
    await decoder.read([ids]);
    const state = await decoder.stateDict();
    spoil(state);
    const other = model.decoder();
    await other.read([[1, 2]]);
    const before = await other.stateDict();
    const load = () => other.loadStateDict(state, [24]);
    expect(load).toThrow(InputError);
    expect(load).toThrow(problem);
    expect(other.seen).toEqual([2]);
    expect(await other.stateDict()).toEqual(before);
  });

  test.each([
    [[23], "state: tensor past_key_values.0.key: is f32 [1,2,24,12], expected f32 [1,2,23,12]"],
    [[129], "state: seen: is 129, expected a number of tokens up to 128"],
    [[-1], "state: seen: is -1"],
    [[24, 24], "state: seen: has 2 rows, the decoder has 1"],
  ])("when it has another length: %j", async (seen, problem) => {
    const model = await openTitan("llama-gqa", { operatorMode: "delta_rule" });
    const decoder = model.decoder();
    await decoder.read([ids]);
    const state = await decoder.stateDict();
    expect(() => decoder.loadStateDict(state, seen)).toThrow(problem);
  });
});
