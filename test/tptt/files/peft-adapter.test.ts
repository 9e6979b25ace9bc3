import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openSafetensorsFile } from "../../../src/io/safetensors.js";
import type { FromPretrainedOptions } from "../../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { fixtureFolder, temporaryFolder } from "../../models/fixture.js";
import { openTitan, randomIds, randomizeParams, rows } from "../titan.js";

const inputIds = rows([randomIds(21, 1), randomIds(21, 2)]);

const open = async (folder: string, options: FromPretrainedOptions = {}) => {
  const model = await TpttModel.fromPretrained(folder, options);
  onTestFinished(() => model.dispose());
  return model;
};
const json = async (folder: string) =>
  JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));

/** A model with updates, and the folder of its adapter. */
async function adapter(options: FromPretrainedOptions = {}, name = "llama-gqa") {
  const model = await openTitan(name, { operatorMode: "delta_rule", loraConfig: { r: 2 }, ...options });
  randomizeParams(model);
  model.disableLinearAttn = true;
  const folder = await temporaryFolder();
  await model.saveAdapter(folder);
  return { model, folder };
}

describe("an adapter that is written", () => {
  test("has PEFT's files, fields and names", async () => {
    const { folder } = await adapter({
      loraConfig: { r: 2, targetModules: ["q_proj"], modulesToSave: ["lm_head"] },
    });
    expect((await readdir(folder)).sort()).toEqual([
      "README.md",
      "adapter_config.json",
      "adapter_model.safetensors",
    ]);
    expect(await json(folder)).toMatchObject({
      peft_type: "LORA",
      task_type: "CAUSAL_LM",
      base_model_name_or_path: fixtureFolder("llama-gqa"),
      inference_mode: true,
      r: 2,
      target_modules: ["q_proj"],
      modules_to_save: ["lm_head"],
    });
    const file = await openSafetensorsFile(join(folder, "adapter_model.safetensors"));
    await file.close();
    const layer = (i: number, matrix: string) =>
      `base_model.model.model.layers.${i}.self_attn.q_proj.lora_${matrix}.weight`;
    expect([...file.tensors.keys()].sort()).toEqual(
      ["base_model.model.lm_head.weight", layer(0, "A"), layer(0, "B"), layer(1, "A"), layer(1, "B")].sort(),
    );
  });

  test("names its layers as the plain base model does", async () => {
    const pattern = ".*\\.self_attn\\.base_attn\\.q_proj";
    const { folder } = await adapter({ loraConfig: { r: 2, targetModules: pattern } });
    expect((await json(folder)).target_modules).toEqual(
      [0, 1].map((i) => `model.layers.${i}.self_attn.q_proj`),
    );
    const plain = ".*\\.self_attn\\.[qk]_proj";
    const other = await adapter({ loraConfig: { r: 2, targetModules: plain } });
    expect((await json(other.folder)).target_modules).toEqual(
      ["q", "k"].flatMap((p) => [0, 1].map((i) => `model.layers.${i}.self_attn.${p}_proj`)).sort(byLayer),
    );
  });

  test("leaves a README that is there, and needs LoRA", async () => {
    const { model, folder } = await adapter();
    await writeFile(join(folder, "README.md"), "mine");
    await model.saveAdapter(folder);
    expect(await readFile(join(folder, "README.md"), "utf8")).toBe("mine");
    const full = await openTitan("llama-gqa", { trainableParameters: ["q_proj"] });
    await expect(full.saveAdapter(folder)).rejects.toThrow("lora_config: is not set: without LoRA");
  });
});

const byLayer = (a: string, b: string) => a.split(".")[2]!.localeCompare(b.split(".")[2]!);

describe("an adapter that is opened", () => {
  test("gives the logits that it was saved with, bit for bit, without memories", async () => {
    const { model, folder } = await adapter({
      loraConfig: { r: 2, modulesToSave: ["norm"], useRslora: true },
    });
    const again = await open(folder);
    expect(again.disableLinearAttn).toBe(true);
    expect((await again.forward({ inputIds })).logits.f32).toEqual(
      (await model.forward({ inputIds })).logits.f32,
    );
  });

  test("gets memories when an operator is named", async () => {
    const { model, folder } = await adapter();
    const titan = await open(folder, { operatorMode: "delta_rule" });
    expect(titan.disableLinearAttn).toBe(false);
    model.disableLinearAttn = false;
    expect((await titan.forward({ inputIds })).logits.f32).toEqual(
      (await model.forward({ inputIds })).logits.f32,
    );
  });

  test("knows its targets by its file when its config does not name them", async () => {
    const { model, folder } = await adapter({ loraConfig: { r: 2, targetModules: ["1.self_attn.v_proj"] } });
    const fields = await json(folder);
    await writeFile(join(folder, "adapter_config.json"), JSON.stringify({ ...fields, target_modules: null }));
    expect((await (await open(folder)).forward({ inputIds })).logits.f32).toEqual(
      (await model.forward({ inputIds })).logits.f32,
    );
  });

  test("may have fields of any name", async () => {
    const { folder } = await adapter();
    const fields = { ...(await json(folder)), toString: false };
    await writeFile(join(folder, "adapter_config.json"), JSON.stringify(fields));
    expect((await open(folder)).disableLinearAttn).toBe(true);
  });

  test("may have its base model beside it, and says where it looked", async () => {
    const { folder } = await adapter();
    const write = async (changes: object) =>
      writeFile(join(folder, "adapter_config.json"), JSON.stringify({ ...(await json(folder)), ...changes }));
    await write({ base_model_name_or_path: "base" });
    await expect(open(folder)).rejects.toThrow(
      `${folder}/adapter_config.json: base_model_name_or_path: is base, which does not exist; put the base model there`,
    );
    await cp(fixtureFolder("llama-gqa"), join(folder, "base"), { recursive: true });
    await open(folder);
    await write({ use_dora: true });
    await expect(open(folder)).rejects.toThrow(
      `${folder}/adapter_config.json: use_dora: is true; this is not`,
    );
    await write({ use_dora: false, base_model_name_or_path: null });
    await expect(open(folder)).rejects.toThrow(
      "base_model_name_or_path: is null, expected the path of the base",
    );
    await rm(join(folder, "adapter_config.json"));
    await expect(open(folder)).rejects.toThrow("config.json: does not exist");
  });
});
