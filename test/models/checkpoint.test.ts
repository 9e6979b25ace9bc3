import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { FrozenWeights, fromF32, Tensor, toF32 } from "../../src/engine/index.js";
import { InputError } from "../../src/errors.js";
import { openSafetensorsFile, writeSafetensors } from "../../src/io/safetensors.js";
import { openCheckpoint } from "../../src/models/checkpoint.js";
import { architectures } from "../../src/models/registry.js";
import { fixtureFolder, temporaryFolder } from "./fixture.js";
import { writeGguf } from "./gguf-fixture.js";

/** A copy of a tiny model's folder with other fields in its config. */
async function folder(fields: object, name = "llama-gqa"): Promise<string> {
  const path = await temporaryFolder();
  await cp(fixtureFolder(name), path, { recursive: true });
  const config = JSON.parse(await readFile(join(path, "config.json"), "utf8"));
  await writeFile(join(path, "config.json"), JSON.stringify({ ...config, ...fields }));
  return path;
}

test("a folder gives the config, the named model and every parameter", async () => {
  const path = await folder({});
  const checkpoint = await openCheckpoint(path);
  expect(checkpoint).toMatchObject({ path, config: { model_type: "llama" }, eosTokenIds: [2] });
  const weights = await checkpoint.load();
  const file = await openSafetensorsFile(join(path, "model.safetensors"));
  const parameters = [...checkpoint.model.namedParameters()];
  expect(parameters.map(([, { name }]) => name).sort()).toEqual([...file.tensors.keys()].sort());
  for (const name of file.tensors.keys()) {
    expect((await weights.read(name)).data).toEqual((await file.read(name)).data);
  }
  await file.close();
  await weights.dispose();
  await checkpoint.close();
});

test("generation_config.json goes before config.json for the tokens that end a text", async () => {
  const path = await folder({});
  await writeFile(join(path, "generation_config.json"), JSON.stringify({ eos_token_id: [1, 106] }));
  const checkpoint = await openCheckpoint(path);
  expect(checkpoint.eosTokenIds).toEqual([1, 106]);
  await checkpoint.close();
});

test("a missing tensor is named with its file", async () => {
  const path = await folder({ num_hidden_layers: 3 });
  await expect(openCheckpoint(path)).rejects.toThrow(
    `${path}/model.safetensors: tensor model.layers.2.input_layernorm.weight: is missing`,
  );
});

test("a tensor of another shape is named with both shapes", async () => {
  const path = await folder({ vocab_size: 100 });
  const opening = openCheckpoint(path);
  await expect(opening).rejects.toThrow(
    `${path}/model.safetensors: tensor model.embed_tokens.weight: is [96,32], the config asks for [100,32]`,
  );
  await expect(opening).rejects.toBeInstanceOf(InputError);
});

test("half precision weights are read as f32", async () => {
  const path = await folder({});
  const source = await openSafetensorsFile(join(path, "model.safetensors"));
  const tensors = new Map();
  for (const name of source.tensors.keys()) tensors.set(name, fromF32(await source.read(name), "bf16"));
  await source.close();
  await writeSafetensors(join(path, "model.safetensors"), tensors);
  const checkpoint = await openCheckpoint(path);
  const weights = await checkpoint.load();
  const stored = tensors.get("lm_head.weight");
  expect([...(await weights.read("lm_head.weight")).f32]).toEqual([...toF32(stored).f32]);
  await weights.dispose();
  await checkpoint.close();
});

test("a tensor of whole numbers is refused by its name, and nothing stays on disk", async () => {
  const path = await folder({});
  const source = await openSafetensorsFile(join(path, "model.safetensors"));
  const tensors = new Map<string, Tensor>();
  for (const name of source.tensors.keys()) tensors.set(name, await source.read(name));
  await source.close();
  tensors.set("model.norm.weight", Tensor.zeros("int32", [32]));
  await writeSafetensors(join(path, "model.safetensors"), tensors);
  const checkpoint = await openCheckpoint(path);
  const dispose = vi.spyOn(FrozenWeights.prototype, "dispose");
  await expect(checkpoint.load()).rejects.toThrow(
    `${path}/model.safetensors: tensor model.norm.weight: is int32, expected floating point`,
  );
  expect(dispose).toHaveBeenCalledOnce();
  dispose.mockRestore();
  await checkpoint.close();
});

test("an unknown family is answered with the known ones", async () => {
  const path = await folder({ model_type: "gpt9" });
  const types = architectures.flatMap(({ modelTypes }) => modelTypes).join(", ");
  await expect(openCheckpoint(path)).rejects.toThrow(
    `${path}/config.json: model_type: is "gpt9", expected one of ${types};`,
  );
  const gguf = await writeGguf("gpt9", {}, new Map());
  const names = architectures.flatMap(({ gguf }) => gguf?.name ?? []).join(", ");
  await expect(openCheckpoint(gguf)).rejects.toThrow(
    `${gguf}: general.architecture: is "gpt9", expected one of ${names};`,
  );
});

test("missing metadata of a GGUF file are named", async () => {
  const gguf = await writeGguf("llama", { embedding_length: ["u32", 32] }, new Map());
  await expect(openCheckpoint(gguf)).rejects.toThrow(
    `${gguf}: llama.attention.head_count: is missing, expected a number`,
  );
});

test("a path with nothing there, and a folder without a model, say so", async () => {
  await expect(openCheckpoint("/nowhere")).rejects.toThrow("/nowhere: does not exist");
  const empty = await temporaryFolder();
  await expect(openCheckpoint(empty)).rejects.toThrow(`${empty}/config.json: does not exist`);
});

test("a folder without a tokenizer opens all the same", async () => {
  const checkpoint = await openCheckpoint(await folder({}));
  expect(await checkpoint.tokenizer()).toBeUndefined();
  await checkpoint.close();
});
