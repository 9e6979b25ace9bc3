import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { temporaryFolder } from "../models/fixture.js";
import { readTensors } from "../tensors.js";

/** Titans and adapters that the Python packages wrote (interop/make-titans.py --fixtures). */
const folder = fileURLToPath(new URL("../fixtures/titans", import.meta.url));
const names = readdirSync(folder, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? e.name : []));

async function open(path: string) {
  const model = await TpttModel.fromPretrained(path);
  onTestFinished(() => model.dispose());
  return model;
}

test("there are titans with LoRA and without, and plain adapters", () => {
  expect(names.sort()).toEqual(["full", "lora", "peft-layers", "peft-pattern"]);
});

test.each(names)(
  "%s, written by Python, gives Python's logits here, also when it is saved again",
  async (name) => {
    const expected = await readTensors(`${folder}/${name}.safetensors`);
    const [inputIds, logits] = [expected.get("input_ids")!, expected.get("logits")!];
    const model = await open(`${folder}/${name}`);
    const isTitan = !name.startsWith("peft");
    expect(model.config.operatorForm).toBe(isTitan ? "tptt-0.12" : "exact");
    expect(model.disableLinearAttn).toBe(!isTitan);
    const ours = (await model.forward({ inputIds })).logits;
    expect(ours).toBeCloseToTensor(logits.f32, { atol: 2e-5 });
    const again = await temporaryFolder();
    await model.savePretrained(again);
    expect((await (await open(again)).forward({ inputIds })).logits.f32).toEqual(ours.f32);
  },
);
