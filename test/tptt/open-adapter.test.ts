import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { runtime } from "../../src/engine/runtime-node.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { fixtureFolder, temporaryFolder } from "../models/fixture.js";
import { openTitan, randomIds, randomizeParams, rows } from "./titan.js";

const titan = { operatorMode: "delta_rule", magWeight: 0.4, loraConfig: { r: 2 } } as const;
const inputIds = rows([randomIds(9)]);

/** Saves a titan with weights of its own; gives its folder and its logits. */
async function save(seed: number, options: FromPretrainedOptions = {}) {
  const model = await openTitan("llama-gqa", { ...titan, ...options });
  randomizeParams(model, seed);
  const folder = join(await temporaryFolder(), "titan");
  await model.savePretrained(folder);
  return { folder, logits: (await model.forward({ inputIds })).logits };
}

test("titans over one base share its weights, and those of the same build their graphs", async () => {
  const saved = [await save(1), await save(2, { magWeight: 0.9 }), await save(3, { loraConfig: { r: 3 } })];
  const model = await openTitan("llama-gqa", titan);
  const storages = vi.spyOn(runtime, "createStorage");
  const sessions = vi.spyOn(runtime, "createSession");
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  const base = (await model.forward({ inputIds })).logits.clone();
  for (const { folder, logits } of saved) {
    const adapter = await model.openAdapter(folder);
    expect((await adapter.forward({ inputIds })).logits.f32).toEqual(logits.f32);
    expect(logits.f32).not.toEqual(base.f32);
    await adapter.dispose(); // The base is not its own.
  }
  expect((await model.forward({ inputIds })).logits.f32).toEqual(base.f32);
  expect(storages).not.toHaveBeenCalled();
  // The first three are built alike.
  expect(sessions).toHaveBeenCalledTimes(2);
});

test("a titan that was trained in full keeps its own weights", async () => {
  const { loraConfig: _, ...memories } = titan;
  const full = await TpttModel.fromPretrained(fixtureFolder("llama-gqa"), {
    ...memories,
    trainableParameters: ["v_proj"],
  });
  onTestFinished(() => full.dispose());
  randomizeParams(full);
  const folder = join(await temporaryFolder(), "titan");
  await full.savePretrained(folder);
  const model = await openTitan("llama-gqa", memories);
  const before = (await model.forward({ inputIds })).logits.clone();
  const adapter = await model.openAdapter(folder);
  const { logits } = await adapter.forward({ inputIds });
  expect(logits.f32).toEqual((await full.forward({ inputIds })).logits.f32);
  expect((await model.forward({ inputIds })).logits.f32).toEqual(before.f32);
});

test("mu may be another than was saved", async () => {
  const { folder, logits } = await save(1);
  const model = await openTitan("llama-gqa", titan);
  const adapter = await model.openAdapter(folder, { magWeight: 0 });
  expect(adapter.magWeight).toBe(0);
  expect((await adapter.forward({ inputIds })).logits.f32).not.toEqual(logits.f32);
});

test("what is no titan, or belongs to another base, is refused", async () => {
  const { folder } = await save(1);
  const model = await openTitan("llama-mha", titan);
  await expect(model.openAdapter(folder)).rejects.toThrow(
    `${folder}: base_model_name: is ${fixtureFolder("llama-gqa")}, but the model in use is over ${fixtureFolder("llama-mha")}`,
  );
  const base = fixtureFolder("llama-mha");
  await expect(model.openAdapter(base)).rejects.toThrow(`${base}: is no folder of a saved titan`);
});
