import { readFile } from "node:fs/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import type { EncodeInputs } from "../../src/tptt/batch.js";
import type { RecurrentConfig } from "../../src/tptt/config.js";
import { getTpttModel } from "../../src/tptt/inject.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { adaptersOf, addAdapters, expectGradients, runWeighed } from "../models/encoder-parity.js";
import { type Fixture, openFixture, temporaryFolder } from "../models/fixture.js";
import { openTitan, randomIds, randomizeParams, rows } from "./titan.js";

const names = ["bert", "vit", "vit-oblong"];

/** The titans of interop/encoder_fixture.py: what they read the memory with, and from which side. */
const titans = {
  causal: { order: 2, alphaGate: "k", betaGate: "k", trick: "dt", linear: true, bidirectional: false },
  bidirectional: {
    order: 3,
    alphaGate: "v",
    betaGate: "kv",
    trick: "rot",
    linear: true,
    bidirectional: true,
  },
} as const satisfies Record<string, RecurrentConfig & { bidirectional: boolean }>;

async function open(name: string): Promise<Fixture> {
  const fixture = await openFixture(name);
  onTestFinished(() => fixture.frozen.dispose());
  return fixture;
}

function inputsOf({ expected }: Fixture): EncodeInputs {
  const pixelValues = expected.get("pixel_values");
  if (pixelValues) return { pixelValues };
  return {
    inputIds: expected.get("input_ids")!,
    attentionMask: expected.get("attention_mask")!,
    tokenTypeIds: expected.get("token_type_ids")!,
  };
}

/** Hidden states with zeros where the fixture has padding. */
function atRealTokens(hidden: Tensor, { expected }: Fixture): Tensor {
  const mask = expected.get("attention_mask");
  if (!mask) return hidden;
  const dim = hidden.shape[2]!;
  return Tensor.f32(
    hidden.shape,
    hidden.f32.map((x, i) => x * Number(mask.data[Math.floor(i / dim)])),
  );
}

const closely = { atol: 1e-4, rtol: 0 };

describe.each(names)("%s", (name) => {
  test("encodes what transformers' AutoModel does", async () => {
    const fixture = await open(name);
    const model = await openTitan(name, { disableLinearAttn: true });
    const { lastHiddenState, poolerOutput } = await model.encode(inputsOf(fixture));
    expect(lastHiddenState).toBeCloseToTensor(fixture.expected.get("last_hidden_state")!, closely);
    const pooled = fixture.expected.get("pooler_output");
    expect(poolerOutput?.shape).toEqual(pooled?.shape);
    if (pooled) expect(poolerOutput!).toBeCloseToTensor(pooled, closely);
  });

  test.each(Object.entries(titans))(
    "a titan with a %s memory is that of the loop over tokens",
    async (which, { bidirectional, ...recurrentConfig }) => {
      const fixture = await open(name);
      const { expected } = fixture;
      const model = await openTitan(name, {
        ...recurrentConfig,
        bidirectional,
        loraConfig: { r: 4, loraAlpha: 8, targetModules: ["query", "key", "value", "dense"] },
      });
      const adapters = adaptersOf(fixture);
      model.params = Object.fromEntries(
        model.trainable.map(({ name: path }) => [path, adapters[path.replace(".base_attn.", ".")]!]),
      );
      const { lastHiddenState, poolerOutput } = await model.encode(inputsOf(fixture));
      expect(atRealTokens(lastHiddenState, fixture)).toBeCloseToTensor(
        atRealTokens(expected.get(`${which}_last_hidden_state`)!, fixture),
        closely,
      );
      const pooled = expected.get(`${which}_pooler_output`);
      if (pooled) expect(poolerOutput!).toBeCloseToTensor(pooled, closely);

      getTpttModel(fixture.checkpoint.model, { recurrentConfig, bidirectional });
      addAdapters(fixture);
      const { value, grads } = await runWeighed(fixture, adapters);
      expect(value).toBeCloseTo(expected.get(`${which}_value`)!.item(), 3);
      expectGradients(fixture, grads, `${which}_grad`);
    },
  );
});

test("a decoder's hidden states are those that its logits are made of", async () => {
  const model = await openTitan("llama-gqa", { operatorMode: "delta_product" });
  const inputIds = rows([randomIds(9)]);
  const { lastHiddenState, poolerOutput } = await model.encode({ inputIds });
  expect(poolerOutput).toBeUndefined();
  const fixture = await open("llama-gqa");
  const head = (await fixture.frozen.read("lm_head.weight")).f32;
  const hidden = lastHiddenState.f32.slice(-32);
  const last = Array.from({ length: 96 }, (_, token) =>
    hidden.reduce((total, x, i) => total + x * head[token * 32 + i]!, 0),
  );
  const { logits } = await model.forward({ inputIds });
  expect(logits.f32.slice(-96)).toBeCloseToTensor(last, closely);
});

test("without a mask and segments all tokens are real and of the first segment", async () => {
  const { expected } = await open("bert");
  const model = await openTitan("bert", { disableLinearAttn: true });
  const { lastHiddenState } = await model.encode({ inputIds: expected.get("input_ids")! });
  expect(lastHiddenState).toBeCloseToTensor(expected.get("bare_hidden_state")!, closely);
});

test("what stands at padding, here on the left, changes nothing", async () => {
  const model = await openTitan("bert", { operatorMode: "gated_delta_product", bidirectional: true });
  const ids = randomIds(6);
  const masked = (row: number[]) => Tensor.int64([1, row.length], row);
  const left = await model.encode({
    inputIds: rows([[5, 7, ...ids]]),
    attentionMask: masked([0, 0, 1, 1, 1, 1, 1, 1]),
  });
  const other = await model.encode({
    inputIds: rows([[11, 2, ...ids]]),
    attentionMask: masked([0, 0, 1, 1, 1, 1, 1, 1]),
  });
  const own = (x: Tensor) => x.f32.slice(2 * 32);
  expect(own(left.lastHiddenState)).toBeCloseToTensor(own(other.lastHiddenState), { atol: 1e-6, rtol: 0 });
});

test("a saved titan of an encoder encodes the same again, and keeps its task", async () => {
  const model = await openTitan("bert", { loraConfig: { r: 4 }, bidirectional: true });
  randomizeParams(model);
  const inputs = { inputIds: rows([randomIds(7)]) };
  const { lastHiddenState } = await model.encode(inputs);
  const folder = await temporaryFolder();
  await model.savePretrained(folder);
  const config = JSON.parse(await readFile(`${folder}/config.json`, "utf8"));
  expect(config).toMatchObject({ model_task: "feature_extraction", base_model_type: "bert" });
  const loaded = await TpttModel.fromPretrained(folder);
  onTestFinished(() => loaded.dispose());
  expect((await loaded.encode(inputs)).lastHiddenState).toEqual(lastHiddenState);
});

test("what a model does not read, or cannot do, is refused", async () => {
  const [bert, vit, llama] = [await openTitan("bert"), await openTitan("vit"), await openTitan("llama-gqa")];
  const inputIds = rows([randomIds(5)]);
  const pixelValues = Tensor.zeros("f32", [1, 3, 16, 16]);
  await expect(bert.encode({ pixelValues })).rejects.toThrow(
    "pixelValues: cannot be read: a bert model reads inputIds, tokenTypeIds",
  );
  await expect(vit.encode({ inputIds })).rejects.toThrow("a vit model reads pixelValues");
  await expect(vit.encode({ pixelValues: Tensor.zeros("f32", [1, 3, 8, 8]) })).rejects.toThrow(
    "pixel_values: has the shape [1,3,8,8], expected [batch,3,16,16]",
  );
  await expect(llama.encode({ inputIds, tokenTypeIds: inputIds })).rejects.toThrow(
    "tokenTypeIds: cannot be read: a llama model reads inputIds",
  );
  // The memory alone has no limit, but the table of positions has.
  bert.magWeight = 1;
  await expect(bert.encode({ inputIds: rows([randomIds(25)]) })).rejects.toThrow("positions up to 24");
});

test("a model without an output head predicts nothing, and says so", async () => {
  const headless = [
    await openTitan("bert"),
    await openTitan("llama-gqa", { modelTask: "feature_extraction" }),
  ];
  const batch = { inputIds: rows([randomIds(5)]), labels: rows([randomIds(5)]) };
  for (const model of headless) {
    const refusal = "model_task: is feature_extraction, which predicts no tokens; use encode";
    await expect(model.forward(batch)).rejects.toThrow(refusal);
    await expect(model.loss(batch)).rejects.toThrow(refusal);
    await expect(model.lossAndGrad(batch)).rejects.toThrow(refusal);
    expect(() => model.decoder()).toThrow(refusal);
    expect((await model.encode({ inputIds: batch.inputIds })).lastHiddenState.shape).toEqual([1, 5, 32]);
  }
  await expect(openTitan("bert", { modelTask: "causal_lm" })).rejects.toThrow("which predicts no tokens");
});
