import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { fixtureFolder, temporaryFolder } from "../models/fixture.js";
import { apart, decodedApart, flat, randomIds, randomizeParams, rows } from "./titan.js";

const texts = [randomIds(21, 1), randomIds(21, 2)];
const inputIds = rows(texts);

async function open(name: string, options: FromPretrainedOptions): Promise<TpttModel> {
  const titan = { operatorMode: "delta_rule", magWeight: 0.5, ...options } as const;
  const model = await TpttModel.fromPretrained(fixtureFolder(name), titan);
  onTestFinished(() => model.dispose());
  randomizeParams(model);
  return model;
}

describe.each(["gemma3", "llama-gqa", "gpt2", "olmoe", "openelm"])(
  "a titan of %s in half precision",
  (name) => {
    test("is one in f32 but for the rounding of products", async () => {
      const loraConfig = name === "gpt2" ? { r: 2, targetModules: ["c_attn"] } : { r: 2 };
      const [whole, half] = [
        await open(name, { loraConfig }),
        await open(name, { loraConfig, dtype: "f16" }),
      ];
      expect([whole.dtype, half.dtype]).toEqual(["f32", "f16"]);
      const { logits: expected } = await whole.forward({ inputIds });
      const { logits } = await half.forward({ inputIds });
      expect(apart(logits.f32, expected.f32)).toBeLessThan(5e-3);
      expect(apart(logits.f32, expected.f32)).toBeGreaterThan(1e-5);

      const batch = { inputIds, labels: inputIds };
      const [known, found] = [await whole.lossAndGrad(batch), await half.lossAndGrad(batch)];
      expect(found.lossSum / known.lossSum).toBeCloseTo(1, 3);
      expect(apart(flat(found.grads), flat(known.grads))).toBeLessThan(0.02);

      const distances = await decodedApart(half, texts, logits);
      expect(Math.max(...distances)).toBeLessThan(5e-3);
    });
  },
);

test("a titan in half precision is saved like any other, and is not merged", async () => {
  const model = await open("gemma3", { loraConfig: { r: 2 }, dtype: "f16" });
  const folder = join(await temporaryFolder(), "titan");
  await model.savePretrained(folder);
  const again = await TpttModel.fromPretrained(folder);
  onTestFinished(() => again.dispose());
  const plain = await open("gemma3", { loraConfig: { r: 2 } });
  expect((await again.forward({ inputIds })).logits.f32).toEqual(
    (await plain.forward({ inputIds })).logits.f32,
  );
  await expect(model.saveMerged(join(await temporaryFolder(), "merged"))).rejects.toThrow(
    "dtype: was given: the base model's weights are rounded; open the titan in f32 to merge",
  );
});

test.each([
  [{ dtype: "f8" as "f16" }, "dtype: is f8, expected one of auto, f32, f16"],
  [
    { dtype: "f16", trainableParameters: ["q_proj"] },
    "dtype: is f16, but parameters of the base model are trained, from their full values; leave it out, or train LoRA",
  ],
] as [FromPretrainedOptions, string][])("%j is refused", async (wrong, message) => {
  await expect(TpttModel.fromPretrained(fixtureFolder("gemma3"), wrong)).rejects.toThrow(message);
});
