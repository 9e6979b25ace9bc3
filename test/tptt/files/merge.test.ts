import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openCheckpoint } from "../../../src/models/checkpoint.js";
import { TpttConfig } from "../../../src/tptt/config/config.js";
import type { FromPretrainedOptions } from "../../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { fixtureFolder, openFixture, temporaryFolder } from "../../models/fixture.js";
import { writeLlamaGguf } from "../../models/gguf-fixture.js";
import { openTitan, randomIds, randomizeParams, rows } from "../titan.js";

const inputIds = rows([randomIds(21, 1), randomIds(21, 2)]);

/** The logits of a model without memories, and of the model that it was merged into. */
async function merged(name: string, options: FromPretrainedOptions) {
  const model = await openTitan(name, { operatorMode: "delta_rule", ...options });
  randomizeParams(model);
  model.disableLinearAttn = true;
  const folder = await temporaryFolder();
  await model.saveMerged(folder);
  const plain = await TpttModel.fromPretrained(folder, { disableLinearAttn: true });
  onTestFinished(() => plain.dispose());
  expect(plain.trainable).toEqual([]);
  const [before, after] = [await model.forward({ inputIds }), await plain.forward({ inputIds })];
  return { before: before.logits, after: after.logits, folder };
}

describe("a merged model", () => {
  test.each<[string, string, FromPretrainedOptions]>([
    ["low-rank updates", "llama-gqa", { loraConfig: { r: 4, loraAlpha: 16, useRslora: true } }],
    ["updates of tied models", "gemma3", { loraConfig: { r: 2, targetModules: "all-linear" } }],
    ["modules trained whole", "llama-gqa", { loraConfig: { r: 2, modulesToSave: ["lm_head", "norm"] } }],
    ["fully trained parameters", "llama-mha", { trainableParameters: ["q_proj", "mlp"] }],
  ])("gives the logits of the titan without memories: %s", async (_, name, options) => {
    const { before, after } = await merged(name, options);
    expect(after).toBeCloseToTensor(before.f32, { atol: 2e-5 });
    const base = await openTitan(name, { disableLinearAttn: true });
    expect((await base.forward({ inputIds })).logits.f32).not.toEqual(after.f32);
  });

  test("of a GGUF file has Hugging Face's names, values and config", async () => {
    const { checkpoint, frozen: weights } = await openFixture("llama-gqa");
    onTestFinished(() => weights.dispose());
    const path = await writeLlamaGguf(checkpoint.model, weights);
    const gguf = await openCheckpoint(path);
    const frozen = await gguf.load();
    await gguf.close();
    const config = TpttConfig.from({ baseModelName: path, loraConfig: { r: 2 }, disableLinearAttn: true });
    const model = new TpttModel({ config, baseConfig: gguf.config, base: gguf.model, frozen });
    onTestFinished(() => model.dispose());
    randomizeParams(model);
    const folder = await temporaryFolder();
    await model.saveMerged(folder);
    const plain = await TpttModel.fromPretrained(folder, { disableLinearAttn: true });
    onTestFinished(() => plain.dispose());
    const [before, after] = [await model.forward({ inputIds }), await plain.forward({ inputIds })];
    expect(after.logits).toBeCloseToTensor(before.logits.f32, { atol: 2e-5 });
    const json = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    expect(json).toEqual({ ...gguf.config, dtype: "float32" });
    expect(json.model_type).toBe("llama");
  });

  test("has the base model's config but for the type of the weights, and its generation config", async () => {
    const { folder } = await merged("gemma3", { loraConfig: { r: 2 } });
    const json = async (path: string) => JSON.parse(await readFile(path, "utf8"));
    const config = join(fixtureFolder("gemma3"), "config.json");
    expect(await json(join(folder, "config.json"))).toEqual({ ...(await json(config)), dtype: "float32" });
    expect((await readdir(folder)).sort()).toEqual(["README.md", "config.json", "model.safetensors"]);
    await writeFile(join(folder, "generation_config.json"), '{ "eos_token_id": 7 }');
    const again = await TpttModel.fromPretrained(folder);
    onTestFinished(() => again.dispose());
    expect(again.eosTokenIds).toEqual([7]);
    const second = await temporaryFolder();
    await again.saveMerged(second);
    expect(await json(join(second, "generation_config.json"))).toEqual({ eos_token_id: 7 });
  });
});
