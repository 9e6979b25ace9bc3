import { expect, test } from "vitest";
import type { Tensor } from "../../../src/engine/index.js";
import { openSafetensors } from "../../../src/io/weight-source.js";
import { fixtureFolder } from "../../models/fixture.js";
import { openTitan } from "../titan.js";

/** The tensors of a file. */
async function read(path: string): Promise<Map<string, Tensor>> {
  const source = await openSafetensors(path);
  const tensors = new Map<string, Tensor>();
  for (const name of source.tensors.keys()) tensors.set(name, await source.read(name));
  await source.close();
  return tensors;
}

test.each([
  ["causal", false],
  ["bidirectional", true],
])("a %s memory over padded rows is that of the loop over tokens in Python", async (name, bidirectional) => {
  const folder = fixtureFolder("llama-gqa");
  const inputs = await read(`${folder}/expected.safetensors`);
  const exact = await read(`${folder}/exact.safetensors`);
  const attentionMask = inputs.get("attention_mask")!;
  const model = await openTitan("llama-gqa", { operatorMode: "gated_delta_product", bidirectional });
  const { logits } = await model.forward({ inputIds: inputs.get("input_ids")!, attentionMask });
  const real = (tensor: Tensor) => {
    const vocab = tensor.shape[2]!;
    return tensor.f32.map((x, i) => (Number(attentionMask.data[Math.floor(i / vocab)]) === 0 ? 0 : x));
  };
  expect(real(logits)).toBeCloseToTensor(real(exact.get(name)!), { atol: 1e-4, rtol: 0 });
});
