import { readFile } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { Tensor } from "../../../src/engine/index.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { type Fixture, openFixture, temporaryFolder } from "../../models/fixture.js";
import { compareEncoder, encoderTitans } from "../encoder-check.js";
import { openTitan, randomIds, randomizeParams, rows } from "../titan.js";

const closely = { atol: 1e-4, rtol: 0 };

async function open(name: string): Promise<Fixture> {
  const fixture = await openFixture(name);
  onTestFinished(() => fixture.frozen.dispose());
  return fixture;
}

test.each([
  ["bert", true],
  ["vit", true],
  ["vit-oblong", false],
])(
  "%s encodes what transformers does, and as a titan what the loop over tokens does",
  async (name, pooled) => {
    const found = await compareEncoder(name);
    const kinds = ["plain", "lora", ...Object.keys(encoderTitans)];
    expect(Object.keys(found)).toEqual(
      kinds.flatMap((kind) => [
        `${kind}_hidden_states`,
        ...(pooled ? [`${kind}_pooled`] : []),
        ...(kind === "plain" ? [] : [`${kind}_gradients`]),
      ]),
    );
    for (const [what, difference] of Object.entries(found))
      expect(difference, what).toBeLessThan(what.endsWith("gradients") ? 1e-3 : 1e-4);
  },
);

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
    "pixel_values: cannot be read: a bert model reads input_ids, token_type_ids",
  );
  await expect(vit.encode({ inputIds })).rejects.toThrow("a vit model reads pixel_values");
  await expect(vit.encode({ pixelValues: Tensor.zeros("f32", [1, 3, 8, 8]) })).rejects.toThrow(
    "pixel_values: has the shape [1,3,8,8], expected [batch,3,16,16]",
  );
  await expect(llama.encode({ inputIds, tokenTypeIds: inputIds })).rejects.toThrow(
    "token_type_ids: cannot be read: a llama model reads input_ids",
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
