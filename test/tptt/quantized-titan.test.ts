import { cp, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Tensor } from "../../src/engine/index.js";
import { InputError } from "../../src/errors.js";
import { writeSafetensors } from "../../src/io/safetensors.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import type { Quantization } from "../../src/models/quantization.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { fixtureFolder, temporaryFolder } from "../models/fixture.js";
import { apart, decodedApart, flat, randomIds, randomizeParams, rows } from "./titan.js";

const options = { operatorMode: "delta_rule", magWeight: 0.5, loraConfig: { r: 4 } } as const;
const texts = [randomIds(21, 1), randomIds(21, 2)];
const inputIds = rows(texts);

async function open(path: string, quantize: Quantization): Promise<TpttModel> {
  const model = await TpttModel.fromPretrained(path, { ...options, quantize });
  onTestFinished(() => model.dispose());
  randomizeParams(model);
  return model;
}

/** A copy of a tiny model whose weights are the numbers that its blocks stand for. */
async function roundedModel(name: string, quantize: Quantization): Promise<string> {
  const checkpoint = await openCheckpoint(fixtureFolder(name));
  const frozen = await checkpoint.load(quantize);
  const tensors = new Map<string, Tensor>();
  for (const [path] of checkpoint.model.namedParameters()) tensors.set(path, await frozen.read(path));
  await checkpoint.close();
  await frozen.dispose();
  const folder = await temporaryFolder();
  await cp(join(fixtureFolder(name), "config.json"), join(folder, "config.json"));
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  return folder;
}

test.each([
  ["gemma3", "int8"],
  ["gemma3", "int4"],
  ["llama-gqa", "int8"],
] as const)(
  "a titan of %s in %s trains and decodes like one of its rounded weights",
  async (name, quantize) => {
    const [plain, blocks] = [
      await open(await roundedModel(name, quantize), "none"),
      await open(fixtureFolder(name), quantize),
    ];
    const batch = { inputIds, labels: inputIds };
    const [expected, got] = [await plain.lossAndGrad(batch), await blocks.lossAndGrad(batch)];
    expect(got.lossSum / expected.lossSum).toBeCloseTo(1, 2);
    expect(apart(flat(got.grads), flat(expected.grads))).toBeLessThan(0.3);

    const { logits } = await blocks.forward({ inputIds });
    const distance = apart(logits.f32, (await plain.forward({ inputIds })).logits.f32);
    expect(distance).toBeLessThan(0.1);
    // The products round their inputs too.
    expect(distance).toBeGreaterThan(1e-4);
    const distances = await decodedApart(blocks, texts, logits);
    expect(Math.max(...distances)).toBeLessThan(0.1);
  },
);

test("layers over quantised weights are computed again in the backward pass, unless it is said", async () => {
  const bytes = async (quantize: Quantization, options = {}) =>
    (await open(fixtureFolder("gemma3"), quantize)).trainingBytes(2, 64, options);
  const [kept, again] = [
    await bytes("none", { checkpointing: false }),
    await bytes("none", { checkpointing: true }),
  ];
  expect(again).toBeLessThan(0.7 * kept);
  expect(await bytes("none")).toBe(kept);
  expect(await bytes("int4", { checkpointing: true })).toBe(await bytes("int4"));
  expect(await bytes("int4", { checkpointing: false })).toBeGreaterThan(1.5 * (await bytes("int4")));
});

test("a quantised titan is saved like any other, and is not merged", async () => {
  const model = await open(fixtureFolder("gemma3"), "int8");
  const folder = join(await temporaryFolder(), "titan");
  await model.savePretrained(folder);
  expect((await readdir(folder)).includes("model.safetensors")).toBe(false);
  expect((await stat(join(folder, "adapter_model.safetensors"))).size).toBeLessThan(40_000);
  const again = await TpttModel.fromPretrained(folder);
  onTestFinished(() => again.dispose());
  const plain = await open(fixtureFolder("gemma3"), "none");
  expect((await again.forward({ inputIds })).logits.f32).toEqual(
    (await plain.forward({ inputIds })).logits.f32,
  );
  const merging = model.saveMerged(join(await temporaryFolder(), "merged"));
  await expect(merging).rejects.toThrow(
    "quantize: was given: the base model's weights are rounded; open the titan without it to merge",
  );
  await expect(merging).rejects.toBeInstanceOf(InputError);
});

test.each([
  [{ quantize: "int2" as Quantization }, "quantize: is int2, expected one of none, gguf, int8, int4"],
  [
    { quantize: "int4", trainableParameters: ["q_proj"] },
    "quantize: is int4, but parameters of the base model are trained, from their full values; leave it out, or train LoRA",
  ],
] as [FromPretrainedOptions, string][])("%j is refused", async (wrong, message) => {
  await expect(TpttModel.fromPretrained(fixtureFolder("gemma3"), wrong)).rejects.toThrow(message);
});
