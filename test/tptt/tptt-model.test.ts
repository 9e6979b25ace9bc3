import { describe, expect, test } from "vitest";
import { compile, Tensor, type Value } from "../../src/engine/index.js";
import { asLanguageModel } from "../../src/models/language-model.js";
import { ForwardContext } from "../../src/nn/forward-context.js";
import { Random } from "../../src/random.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { openFixture, temporaryFolder } from "../models/fixture.js";
import { expectClose } from "./memory/run.js";
import { openTitan, randomIds, randomizeParams, rows, vocabSize } from "./titan.js";

const deltaRule = { operatorMode: "delta_rule" } as const;
const inputIds = rows([randomIds(21, 1), randomIds(21, 2)]);

/** The logits of the untouched base model. */
async function baseLogits(name: string, ids: Tensor): Promise<Tensor> {
  const { checkpoint, frozen } = await openFixture(name);
  const model = asLanguageModel(checkpoint.model);
  const [batch, length] = ids.shape as [number, number];
  const run = await compile(
    ({ ids }: { ids: Value }) => ({
      logits: model.logits(model.forward(ids, new ForwardContext({ batch, length }))),
    }),
    { inputs: { ids: { dtype: "int64", shape: [batch, length] } }, frozen },
  );
  const { logits } = await run.run({ ids });
  await run.release();
  await frozen.dispose();
  return logits;
}

describe("a titan without its memories is the base model, bit for bit", () => {
  test.each([
    ["llama-gqa", { disableLinearAttn: true }],
    ["llama-tied-llama3", { magWeight: 0 }],
    ["gemma3", { disableLinearAttn: true, maxSelfAttnLength: 2, crossGate: true }],
    ["gemma3-scaled", { magWeight: 0, loraConfig: { r: 4 } }],
  ] as [string, FromPretrainedOptions][])("%s, %j", async (name, options) => {
    const model = await openTitan(name, { ...deltaRule, ...options });
    const { logits } = await model.forward({ inputIds });
    expect(logits.f32).toEqual((await baseLogits(name, inputIds)).f32);
    model.disableLinearAttn = false;
    model.magWeight = 0.5;
    expect((await model.forward({ inputIds })).logits.f32).not.toEqual(logits.f32);
  });
});

describe.each(["llama-gqa", "llama-tied-llama3", "gemma3-scaled"])("plain LoRA on %s", (name) => {
  test.each([false, true])("has the loss and gradients of PEFT (checkpointing %s)", async (checkpointing) => {
    const { expected, frozen } = await openFixture(name);
    await frozen.dispose();
    const get = (key: string) => expected.get(key)!;
    const model = await openTitan(name, { loraConfig: { r: 4, loraAlpha: 8 }, disableLinearAttn: true });
    const inPeft = (parameter: string) => parameter.replace(".base_attn.", ".");
    model.params = Object.fromEntries(model.trainable.map(({ name }) => [name, get(inPeft(name))]));
    const batch = { inputIds: get("input_ids"), labels: get("labels") };
    const { logits, loss } = await model.forward(batch);
    expect(logits).toBeCloseToTensor(get("lora_logits"), { atol: 1e-4, rtol: 0 });
    expect(loss).toBeCloseTo(get("lora_loss").item(), 4);
    const { lossSum, targets, grads } = await model.lossAndGrad(batch, { checkpointing });
    expect(lossSum / targets).toBeCloseTo(get("lora_loss").item(), 4);
    for (const { name } of model.trainable) {
      const mean = grads[name]!.f32.map((g) => g / targets);
      expect(mean, name).toBeCloseToTensor(get(`grad.${inPeft(name)}`), { atol: 1e-5, rtol: 1e-3 });
    }
  });
});

test("the loss is the mean over next tokens whose label is not -100", async () => {
  const model = await openTitan("llama-gqa", deltaRule);
  const labels = inputIds.clone();
  for (const masked of [0, 1, 7, 20, 30]) labels.data[masked] = -100n;
  const { logits, loss } = await model.forward({ inputIds, labels });
  let [sum, count] = [0, 0];
  for (let i = 0; i < 2 * 21; i++) {
    if (i % 21 === 20 || Number(labels.data[i + 1]) < 0) continue;
    const row = Array.from(logits.f32.subarray(i * vocabSize, (i + 1) * vocabSize));
    sum += Math.log(row.reduce((total, l) => total + Math.exp(l), 0)) - row[Number(labels.data[i + 1])]!;
    count++;
  }
  expect(count).toBe(2 * 20 - 4);
  expect(loss).toBeCloseTo(sum / count, 5);
  expect(await model.loss({ inputIds, labels })).toEqual({
    lossSum: expect.closeTo(sum, 3),
    targets: count,
  });
});

test.each([
  ["delta_rule", {}],
  ["gated_delta_product", { crossGate: true, baseScaleAttn: true, maxSelfAttnLength: 4 }],
  ["delta_rule_gelu", { maxChunkSize: 8 }],
] as const)("the gradient of a titan with %s, %j is the slope of its loss", async (operatorMode, options) => {
  const model = await openTitan("llama-mha", {
    operatorMode,
    loraConfig: { r: 3 },
    magWeight: 0.6,
    ...options,
  });
  randomizeParams(model);
  const batch = { inputIds, labels: inputIds };
  const { lossSum, grads } = await model.lossAndGrad(batch);
  expect((await model.loss(batch)).lossSum).toBeCloseTo(lossSum, 3);
  const { params } = model;
  const random = Random.for(1, "direction");
  for (const { name } of model.trainable.filter((_, i) => i % 3 === 0)) {
    const direction = params[name]!.f32.map(() => random.normal());
    const lossAt = async (step: number) => {
      const moved = params[name]!.f32.map((x, i) => x + step * direction[i]!);
      model.params = { ...params, [name]: Tensor.f32(params[name]!.shape, moved) };
      return (await model.loss(batch)).lossSum;
    };
    const slope = ((await lossAt(2e-3)) - (await lossAt(-2e-3))) / 4e-3;
    const expected = grads[name]!.f32.reduce((sum, g, i) => sum + g * direction[i]!, 0);
    expect(Math.abs(slope - expected), `${name}: ${slope}, ${expected}`).toBeLessThan(
      0.02 * Math.abs(expected) + 0.05,
    );
  }
});

test.each([
  ["gemma3", "gated_delta_product", 0.5],
  ["gemma3", "delta_rule_gelu", 1],
  ["gpt2", "delta_rule", 0.5],
] as const)(
  "padding on either side changes nothing (%s, %s, mu %d)",
  async (name, operatorMode, magWeight) => {
    const model = await openTitan(name, { operatorMode, magWeight, maxChunkSize: 8 });
    const ids = randomIds(13);
    const { logits } = await model.forward({ inputIds: rows([ids]) });
    const pads = Array<number>(8).fill(5);
    const zeros = Array<number>(8).fill(0);
    const ones = Array<number>(13).fill(1);
    const padded = await model.forward({
      inputIds: rows([
        [...pads, ...ids],
        [...ids, ...pads],
      ]),
      attentionMask: rows([
        [...zeros, ...ones],
        [...ones, ...zeros],
      ]),
    });
    const part = (row: number, start: number) =>
      padded.logits.f32.subarray((row * 21 + start) * vocabSize, (row * 21 + start + 13) * vocabSize);
    expect(part(0, 8)).toBeCloseToTensor(logits, { atol: 2e-5 });
    expect(part(1, 0)).toBeCloseToTensor(logits, { atol: 2e-5 });
  },
);

test("a sequence longer than the model's positions is refused, but not by the memory alone", async () => {
  const model = await openTitan("llama-gqa", deltaRule);
  const long = rows([randomIds(129)]);
  await expect(model.forward({ inputIds: long })).rejects.toThrow(
    "max_length: is 129, the model knows positions up to 128; shorten it",
  );
  model.magWeight = 1;
  expect((await model.forward({ inputIds: long })).logits.shape).toEqual([1, 129, vocabSize]);
});

test("where positions are learned, not even the memory alone reads beyond them", async () => {
  const model = await openTitan("gpt2", { ...deltaRule, magWeight: 1 });
  await expect(model.forward({ inputIds: rows([randomIds(65)]) })).rejects.toThrow(
    "max_length: is 65, the model knows positions up to 64; shorten it",
  );
  expect((await model.forward({ inputIds: rows([randomIds(64)]) })).logits.shape).toEqual([1, 64, vocabSize]);
});

describe("LoRA dropout", () => {
  const options = { ...deltaRule, loraConfig: { r: 4, loraDropout: 0.3 } };
  const batch = { inputIds, labels: inputIds };
  const titan = async (more: FromPretrainedOptions = {}) => {
    const model = await openTitan("llama-mha", { ...options, ...more });
    randomizeParams(model, 0, 0.5);
    return model;
  };

  test("follows its seed in training, and is off in evaluation", async () => {
    const model = await titan();
    const loss = async (seed: number) => (await model.lossAndGrad(batch, { seed })).lossSum;
    const first = await loss(4_000_000_000);
    expect(await loss(4_000_000_000)).toBe(first);
    expect(await loss(4_000_000_001)).not.toBe(first);
    const plain = await titan({ loraConfig: { r: 4 } });
    expect((await model.loss(batch)).lossSum).toBe((await plain.loss(batch)).lossSum);
  });

  test("drops the inputs at its rate", async () => {
    const model = await titan({
      disableLinearAttn: true,
      loraConfig: { ...options.loraConfig, targetModules: ["v_proj"] },
    });
    // Only the first token has a successor to predict, so a column of A has no gradient where its input was dropped.
    const two = rows([[7, 8]]);
    let [dropped, total] = [0, 0];
    for (let seed = 0; seed < 60; seed++) {
      const { grads } = await model.lossAndGrad({ inputIds: two, labels: two }, { seed });
      for (const [name, { f32 }] of Object.entries(grads)) {
        if (!name.includes("lora_A")) continue;
        total += 32;
        for (let column = 0; column < 32; column++)
          dropped += Number(f32[column] === 0 && f32[32 + column] === 0);
      }
    }
    expect(total).toBe(60 * 2 * 32);
    expect(dropped / total).toBeCloseTo(0.3, 1);
  });

  test("has the same masks when gradient checkpointing computes a layer again", async () => {
    const model = await titan();
    const kept = await model.lossAndGrad(batch, { seed: 3 });
    const again = await model.lossAndGrad(batch, { seed: 3, checkpointing: true });
    expect(again.lossSum).toBeCloseTo(kept.lossSum, 3);
    for (const [name, grad] of Object.entries(kept.grads)) {
      expect(again.grads[name]!, name).toBeCloseToTensor(grad, { rtol: 1e-4, atol: 1e-4 });
    }
    const other = await model.lossAndGrad(batch, { seed: 4, checkpointing: true });
    const [name, grad] = Object.entries(other.grads)[0]!;
    expect(() => expect(grad).toBeCloseToTensor(kept.grads[name]!, { rtol: 1e-2, atol: 1e-2 })).toThrow();
  });
});

test.each([
  [
    { targetModulesNames: ["mlp_attn"] },
    "target_modules_names: names mlp_attn, but the attention layers are model.layers.0.self_attn, model.layers.1.self_attn",
  ],
  [
    { loraConfig: { targetModules: ["q_proj", "w_proj"] } },
    "lora_target_modules: names w_proj, which no linear layer of this model is called; it has q_proj, k_proj",
  ],
  [{ operatorMode: "delta" as "delta_rule" }, 'TpttConfig: operator_mode: is "delta"'],
])("%j is refused", async (options, message) => {
  await expect(openTitan("llama-gqa", options)).rejects.toThrow(message);
});

test("memories may be given to some of the layers, LoRA to any linear layer", async () => {
  const model = await openTitan("llama-gqa", {
    ...deltaRule,
    magWeight: 1,
    targetModulesNames: ["1.self_attn"],
    loraConfig: { r: 2, targetModules: ["gate_proj", "o_proj"] },
  });
  expect(model.trainable.map(({ name }) => name)).toEqual(
    [0, 1].flatMap((layer) =>
      [layer === 1 ? "self_attn.base_attn.o_proj" : "self_attn.o_proj", "mlp.gate_proj"].flatMap((path) =>
        ["lora_A", "lora_B"].map((part) => `model.layers.${layer}.${path}.${part}.weight`),
      ),
    ),
  );
  const ids = randomIds(9);
  const decoder = model.decoder();
  await decoder.read([ids.slice(0, 5)]);
  const [logits] = await decoder.read([ids.slice(5)]);
  const expected = (await model.forward({ inputIds: rows([ids]) })).logits.f32.subarray(8 * vocabSize);
  expect(logits!).toBeCloseToTensor(expected, { atol: 5e-5 });
});

test("layers may have shares of their own; one share stands for all", async () => {
  const model = await openTitan("llama-gqa");
  model.magWeight = 0.25;
  expect(model.magWeights).toEqual([0.25, 0.25]);
  model.magWeights = [0, 1];
  expect(model.magWeight).toBe(0.5);
  expect(model.memoryMode).toBe("mixed");
  model.magWeights = [1, 1];
  expect(model.memoryMode).toBe("only");
  expect(() => {
    model.magWeights = [0.5];
  }).toThrow("mag_weight: is 0.5, expected 2 numbers from 0 to 1");
});

describe("mu that rises along the sequence", () => {
  const length = 12;
  const batch = { inputIds: rows([randomIds(length, 4)]), labels: rows([randomIds(length, 4)]) };
  const rowOf = (logits: Tensor, t: number) => logits.f32.subarray(t * vocabSize, (t + 1) * vocabSize);

  test("is mu t / (S - 1) at token t", async () => {
    // Below the only memory nothing depends on mu, so a token's logits depend on its own mu alone.
    const model = await openTitan("llama-gqa", { ...deltaRule, targetModulesNames: ["1.self_attn"] });
    model.magWeight = 1;
    model.magRamp = true;
    const { logits } = await model.forward(batch);
    model.magRamp = false;
    for (let t = 0; t < length; t++) {
      model.magWeight = t / (length - 1);
      const constant = await model.forward(batch);
      expect(rowOf(logits, t), `token ${t}`).toBeCloseToTensor(rowOf(constant.logits, t), { atol: 2e-5 });
    }
  });

  test("is trained on as it is evaluated, also over one token", async () => {
    const model = await openTitan("llama-gqa", { ...deltaRule, loraConfig: { r: 2 } });
    randomizeParams(model);
    const constant = await model.loss(batch);
    model.magRamp = true;
    const rising = await model.loss(batch);
    expect(rising.lossSum).not.toBeCloseTo(constant.lossSum, 3);
    expect((await model.lossAndGrad(batch)).lossSum).toBeCloseTo(rising.lossSum, 3);
    expect((await model.lossAndGrad(batch, { checkpointing: true })).lossSum).toBeCloseTo(rising.lossSum, 3);
    const one = rows([[7]]);
    const { logits } = await model.forward({ inputIds: one });
    model.disableLinearAttn = true;
    expect(logits).toBeCloseToTensor((await model.forward({ inputIds: one })).logits, { atol: 2e-5 });
  });

  test("cannot be decoded", async () => {
    const model = await openTitan("llama-gqa", deltaRule);
    model.magRamp = true;
    expect(() => model.decoder()).toThrow(
      "mag_ramp: is true: mu depends on the length of a text, which grows; turn it off",
    );
    model.magWeight = 0;
    expect(model.decoder().seen).toEqual([0]);
  });
});

describe("in the form tptt-0.12", () => {
  const operatorForm = "tptt-0.12";

  test("a pool that looks ahead is told of padding on the right", async () => {
    const model = await openTitan("llama-gqa", {
      operatorMode: "delta_rule_v",
      operatorForm,
      poolingConfig: { lookahead: true },
      maxChunkSize: 4,
    });
    const [text, length] = [randomIds(8), 12];
    const attentionMask = Tensor.int64(
      [1, length],
      Array.from({ length }, (_, t) => Number(t < text.length)),
    );
    const logitsBefore = async (padding: number[]) => {
      const { logits } = await model.forward({ inputIds: rows([[...text, ...padding]]), attentionMask });
      return logits.f32.subarray(0, text.length * vocabSize);
    };
    expect(await logitsBefore([1, 2, 3, 4])).toEqual(await logitsBefore([5, 6, 7, 8]));
  });

  test.each(["exact", "tptt-0.12"] as const)(
    "memories that are computed again (%s) have the same gradients, and take less room",
    async (operatorForm) => {
      const options = { operatorMode: "gated_delta_product", operatorForm, loraConfig: { r: 2 } } as const;
      const [model, again] = await Promise.all(
        [false, true].map((useLinearCheckpoint) =>
          openTitan("llama-gqa", { ...options, useLinearCheckpoint }),
        ),
      );
      randomizeParams(model!);
      again!.params = model!.params;
      const batch = { inputIds, labels: inputIds };
      const expected = await model!.lossAndGrad(batch);
      const { lossSum, grads } = await again!.lossAndGrad(batch);
      expect(lossSum).toBe(expected.lossSum);
      for (const [name, gradient] of Object.entries(grads))
        expectClose(gradient, [...expected.grads[name]!.f32], 1e-4, name);
      expect(again!.trainingBytes(2, 64)).toBeLessThan(model!.trainingBytes(2, 64));
    },
  );
});

describe("full fine-tuning", () => {
  test("starts from the pretrained values, and moves them", async () => {
    const model = await openTitan("llama-gqa", { ...deltaRule, trainableParameters: ["v_proj", "lm_head"] });
    const plain = await openTitan("llama-gqa", deltaRule);
    const inputIds = rows([randomIds(9)]);
    expect(plain.trainable).toEqual([]);
    expect(model.trainable.map(({ name }) => name).sort()).toEqual([
      "lm_head.weight",
      ...[0, 1].map((i) => `model.layers.${i}.self_attn.v_proj.weight`),
    ]);
    const before = (await model.forward({ inputIds })).logits;
    expect(before).toBeCloseToTensor((await plain.forward({ inputIds })).logits.f32, { atol: 1e-6 });
    randomizeParams(model);
    expect((await model.forward({ inputIds })).logits.f32).not.toEqual(before.f32);
  });

  test("does not go with LoRA, and a saved model trains what it was made to train", async () => {
    const trainableParameters = ["v_proj"];
    await expect(openTitan("llama-gqa", { trainableParameters, loraConfig: { r: 2 } })).rejects.toThrow(
      "trainable: is given beside LoRA; name whole modules in its modules_to_save",
    );
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", { ...deltaRule, trainableParameters })).savePretrained(folder);
    await expect(TpttModel.fromPretrained(folder, { trainableParameters })).rejects.toThrow(
      `trainable: is given, but ${folder} trains what it was made to train`,
    );
    await expect(TpttModel.fromPretrained(folder, { loraConfig: { r: 2 } })).rejects.toThrow(
      `lora_r: is given, but ${folder} was trained in full`,
    );
  });
});
