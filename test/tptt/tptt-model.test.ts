import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { compile, Tensor, type Value } from "../../src/engine/index.js";
import { InputError } from "../../src/errors.js";
import { ForwardContext } from "../../src/nn/forward-context.js";
import { Random } from "../../src/random.js";
import { TpttConfig } from "../../src/tptt/config.js";
import { type FromPretrainedOptions, type GenerateOptions, TpttModel } from "../../src/tptt/tptt-model.js";
import { fixtureFolder, openFixture, temporaryFolder } from "../models/fixture.js";
import { openTitan, randomIds, randomizeParams, rows, vocabSize } from "./titan.js";

const deltaRule = { operatorMode: "delta_rule" } as const;
const inputIds = rows([randomIds(21, 1), randomIds(21, 2)]);

/** The logits of the untouched base model. */
async function baseLogits(name: string, ids: Tensor): Promise<Tensor> {
  const { checkpoint, frozen } = await openFixture(name);
  const { model } = checkpoint;
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
  ["gated_delta_product", 0.5],
  ["delta_rule_gelu", 1],
] as const)("padding on either side changes nothing (%s, mu %d)", async (operatorMode, magWeight) => {
  const model = await openTitan("gemma3", { operatorMode, magWeight, maxChunkSize: 8 });
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
});

test("a sequence longer than the model's positions is refused, but not by the memory alone", async () => {
  const model = await openTitan("llama-gqa", deltaRule);
  const long = rows([randomIds(129)]);
  await expect(model.forward({ inputIds: long })).rejects.toThrow(
    "max_length: is 129, the model knows positions up to 128; shorten it",
  );
  model.magWeight = 1;
  expect((await model.forward({ inputIds: long })).logits.shape).toEqual([1, 129, vocabSize]);
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

describe("saved and loaded", () => {
  const options = { operatorMode: "gated_delta_product", loraConfig: { r: 4, loraAlpha: 16 } } as const;
  const open = async (folder: string, more: FromPretrainedOptions = {}) => {
    const model = await TpttModel.fromPretrained(folder, more);
    onTestFinished(() => model.dispose());
    return model;
  };
  const json = async (folder: string, file = "config.json") =>
    JSON.parse(await readFile(join(folder, file), "utf8"));
  const edit = async (folder: string, change: (fields: Record<string, unknown>) => void) => {
    const fields = await json(folder);
    change(fields);
    await writeFile(join(folder, "config.json"), JSON.stringify(fields));
  };

  test("a titan gives the same logits, bit for bit, also from a copy of a copy", async () => {
    const model = await openTitan("llama-gqa", options);
    randomizeParams(model);
    model.magWeight = 0.35;
    const { logits } = await model.forward({ inputIds });
    const [first, second] = [await temporaryFolder(), await temporaryFolder()];
    await model.savePretrained(first);
    const again = await open(first);
    expect(again.magWeight).toBe(0.35);
    expect((await again.forward({ inputIds })).logits.f32).toEqual(logits.f32);
    await again.savePretrained(second);
    expect((await (await open(second)).forward({ inputIds })).logits.f32).toEqual(logits.f32);
    expect(await json(second)).toEqual(await json(first));
    expect(await readFile(join(second, "adapter_model.safetensors"))).toEqual(
      await readFile(join(first, "adapter_model.safetensors")),
    );
  });

  test("the adapter's config is PEFT's, with the names of the layers", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    expect(await json(folder, "adapter_config.json")).toEqual({
      peft_type: "LORA",
      task_type: "CAUSAL_LM",
      base_model_name_or_path: fixtureFolder("llama-gqa"),
      r: 4,
      lora_alpha: 16,
      lora_dropout: 0,
      target_modules: ["q_proj", "k_proj", "v_proj", "o_proj"],
      bias: "none",
    });
    expect(await readFile(join(folder, "README.md"), "utf8")).toContain("# Titan of llama-gqa");
  });

  test("options change what they name", async () => {
    const folder = await temporaryFolder();
    const model = await openTitan("llama-gqa", options);
    randomizeParams(model);
    await model.savePretrained(folder);
    const changed = await open(folder, {
      magWeight: 1,
      maxSelfAttnLength: 4,
      loraConfig: { loraDropout: 0.1 },
    });
    expect(changed.config).toMatchObject({
      magWeight: 1,
      maxSelfAttnLength: 4,
      operatorMode: "gated_delta_product",
      loraConfig: { r: 4, loraAlpha: 16, loraDropout: 0.1 },
    });
    expect(Object.values(changed.params).map(({ f32 }) => f32)).toEqual(
      Object.values(model.params).map(({ f32 }) => f32),
    );
    await expect(open(folder, { loraConfig: { r: 8 } })).rejects.toThrow(
      /adapter_model.safetensors: tensor .*lora_A.default.weight: is \[4,32\], the configuration asks for \[8,32\]/,
    );
  });

  test("the base model may lie beside the titan", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    await edit(folder, (fields) => {
      fields.base_model_name = "base";
    });
    await expect(open(folder)).rejects.toThrow(
      `${folder}/config.json: base_model_name: is base, which does not exist; put the base model there`,
    );
    await cp(fixtureFolder("llama-gqa"), join(folder, "base"), { recursive: true });
    const moved = await temporaryFolder();
    await (await open(folder)).savePretrained(moved);
    expect((await json(moved)).base_model_name).toBe(join(folder, "base"));
  });

  test("fields of other programs stay in config.json", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    await edit(folder, (fields) => Object.assign(fields, { linear_precision: "bfloat16", x: { y: 1 } }));
    await (await open(folder)).savePretrained(folder);
    expect(await json(folder)).toMatchObject({ linear_precision: "bfloat16", x: { y: 1 } });
  });

  test("a titan that Python wrote is refused as long as its operator is not known", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    await edit(folder, (fields) => delete fields.operator_form);
    const opening = open(folder);
    await expect(opening).rejects.toThrow(`${folder}/config.json: operator_form: is missing: Python wrote`);
    await expect(opening).rejects.toBeInstanceOf(InputError);
  });

  test("a titan without trained weights needs no file of them", async () => {
    const folder = await temporaryFolder();
    const model = await openTitan("llama-gqa", deltaRule);
    await model.savePretrained(folder);
    const { logits } = await (await open(folder)).forward({ inputIds });
    expect(logits.f32).toEqual((await model.forward({ inputIds })).logits.f32);
  });

  test("parameters of the base model that were trained themselves come back", async () => {
    const { checkpoint, frozen } = await openFixture("llama-gqa");
    const model = new TpttModel({
      config: TpttConfig.from({ ...deltaRule, baseModelName: checkpoint.path }),
      baseConfig: checkpoint.config,
      base: checkpoint.model,
      frozen,
      trainablePatterns: ["v_proj", "model.norm", "lm_head"],
    });
    onTestFinished(() => model.dispose());
    const names = model.trainable.map(({ name }) => name);
    expect(names.sort()).toEqual([
      "lm_head.weight",
      "model.layers.0.self_attn.v_proj.weight",
      "model.layers.1.self_attn.v_proj.weight",
      "model.norm.weight",
    ]);
    randomizeParams(model);
    const { grads } = await model.lossAndGrad({ inputIds, labels: inputIds });
    expect(Object.keys(grads).sort()).toEqual(names);
    for (const { f32 } of Object.values(grads)) expect(f32.some((g) => g !== 0)).toBe(true);
    const folder = await temporaryFolder();
    await model.savePretrained(folder);
    const again = await open(folder);
    expect(again.trainable.map(({ name }) => name).sort()).toEqual(names);
    expect((await again.forward({ inputIds })).logits.f32).toEqual(
      (await model.forward({ inputIds })).logits.f32,
    );
  });
});

describe("generation", () => {
  /** A tiny model with a tokenizer, of which one character is one token. */
  async function talking(fields: object = {}): Promise<TpttModel> {
    const folder = await temporaryFolder();
    await cp(fixtureFolder("llama-gqa"), folder, { recursive: true });
    const tokenizer = fixtureFolder("../tokenizers/gpt2");
    for (const file of ["tokenizer.json", "tokenizer_config.json"])
      await cp(join(tokenizer, file), join(folder, file));
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    await writeFile(join(folder, "config.json"), JSON.stringify({ ...config, eos_token_id: 95, ...fields }));
    const model = await TpttModel.fromPretrained(folder, { ...deltaRule, loraConfig: { r: 2 } });
    onTestFinished(() => model.dispose());
    randomizeParams(model);
    return model;
  }
  const prompt = "XQZ";

  test("takes the likeliest token at temperature 0", async () => {
    const model = await talking();
    const ids = model.tokenizer!.encode(prompt);
    for (let i = 0; i < 6; i++) {
      const { logits } = await model.forward({ inputIds: rows([ids]) });
      const last = logits.f32.subarray((ids.length - 1) * vocabSize);
      ids.push(last.indexOf(Math.max(...last)));
    }
    expect(await model.generate({ prompt, maxNewTokens: 6 })).toBe(model.tokenizer!.decode(ids.slice(3)));
  });

  test("is fixed by its seed, and leaves the weights alone", async () => {
    const model = await talking();
    const before = structuredClone(Object.values(model.params).map(({ f32 }) => f32));
    const text = (seed: number) =>
      model.generate({ prompt, maxNewTokens: 24, temperature: 1, topK: 40, topP: 0.95, seed });
    const first = await text(1);
    expect(await text(1)).toBe(first);
    expect(await text(2)).not.toBe(first);
    expect(Object.values(model.params).map(({ f32 }) => f32)).toEqual(before);
  });

  test("ends at a token that ends a text, which is not given out", async () => {
    const model = await talking();
    const whole = await model.generate({ prompt, maxNewTokens: 8 });
    const ids = model.tokenizer!.encode(whole);
    const stop = ids.findIndex((id, i) => i > 0 && !ids.slice(0, i).includes(id));
    const stopping = await talking({ eos_token_id: [95, ids[stop]!] });
    expect(stopping.eosTokenIds).toEqual([95, ids[stop]]);
    expect(await stopping.generate({ prompt, maxNewTokens: 8 })).toBe(
      model.tokenizer!.decode(ids.slice(0, stop)),
    );
  });

  test("streams the text in pieces", async () => {
    const model = await talking();
    const pieces: string[] = [];
    for await (const piece of model.stream({ prompt, maxNewTokens: 8 })) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(await model.generate({ prompt, maxNewTokens: 8 }));
  });

  test.each([
    [{ prompt: "" }, "prompt: is empty, expected at least one token"],
    [{ prompt, maxNewTokens: 126 }, undefined],
    [
      { prompt, maxNewTokens: 127 },
      "max_new_tokens: is 127, the prompt's 3 tokens leave 126 of the model's 128 positions",
    ],
    [
      { prompt: prompt.repeat(43) },
      "prompt: has 129 tokens, the model knows positions up to 128; shorten it",
    ],
    [{ prompt, temperature: -1 }, "temperature"],
    [{ prompt, topP: 2 }, "top_p"],
  ] as [GenerateOptions, string | undefined][])("%j gives the error %s", async (options, message) => {
    const model = await talking({ eos_token_id: 2_000 });
    const generating = model.generate(options);
    if (message === undefined) await expect(generating).resolves.toEqual(expect.any(String));
    else {
      await expect(generating).rejects.toThrow(message);
      await expect(generating).rejects.toBeInstanceOf(InputError);
    }
  });

  test("needs a tokenizer", async () => {
    const model = await openTitan("llama-gqa", deltaRule);
    await expect(model.generate({ prompt })).rejects.toThrow(
      /llama-gqa: has no tokenizer; add tokenizer.json/,
    );
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
