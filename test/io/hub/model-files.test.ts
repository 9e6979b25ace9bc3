import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { HubRepo } from "../../../src/io/hub/hub.js";
import { chooseModelFiles } from "../../../src/io/hub/model-files.js";
import { temporaryFolder } from "../../models/fixture.js";

async function repoOf(paths: readonly string[], index?: unknown): Promise<HubRepo> {
  const folder = await temporaryFolder();
  return {
    name: "org/name",
    commit: "0".repeat(40),
    files: new Map(paths.map((path) => [path, { size: 1, etag: "0".repeat(40) }])),
    complete: true,
    get: async ([path]) => {
      await writeFile(join(folder, path!), JSON.stringify(index));
      return folder;
    },
    open: () => expect.unreachable(),
  };
}

/** Where a repository's model is, and all its files. */
async function allOf(repo: HubRepo, subfolder?: string) {
  const { path, configs, tokenizer, index, weights } = await chooseModelFiles(repo, subfolder);
  return { path, files: [...configs, ...tokenizer, ...index, ...(await weights())] };
}

const chosen = async (paths: readonly string[], subfolder?: string) => allOf(await repoOf(paths), subfolder);

test("config, tokenizer and safetensors are taken; other formats and other files are left", async () => {
  const wanted = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"];
  const others = [
    "pytorch_model.bin",
    "onnx/model.onnx",
    "flax_model.msgpack",
    "model.gguf",
    "run.py",
    "sub/config.json",
  ];
  const { path, files } = await chosen([...wanted, ...others]);
  expect(path).toBe("");
  expect([...files].sort()).toEqual(wanted);
});

test("of shards those are taken that the index names", async () => {
  const [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const index = "model.safetensors.index.json";
  const paths = ["config.json", index, first, second, "consolidated.safetensors"];
  const repo = await repoOf(paths, { weight_map: { a: first, b: second, c: first } });
  expect((await allOf(repo)).files).toEqual(["config.json", index, first, second]);
  for (const weight_map of [{}, { a: "../x.safetensors" }, { a: 1 }, undefined]) {
    const broken = await repoOf(paths, { weight_map });
    await expect(allOf(broken)).rejects.toThrow(/weight_map: names no files/);
  }
});

test("an adapter and a titan are their configs and trained weights", async () => {
  const adapter = ["adapter_config.json", "README.md", "adapter_model.safetensors"];
  expect((await chosen([...adapter, "adapter_model.bin", "optimizer.pt"])).files).toEqual(adapter);
  expect((await chosen(["config.json", "README.md"])).files).toEqual(["config.json", "README.md"]);
});

test("a subfolder is the model's folder", async () => {
  const paths = ["config.json", "model.safetensors", "small/config.json", "small/model.safetensors"];
  expect(await chosen(paths, "small")).toEqual({
    path: "small",
    files: ["small/config.json", "small/model.safetensors"],
  });
  await expect(chosen(paths, "large")).rejects.toThrow(/^org\/name: has no folder large; there are small$/);
  await expect(chosen(paths, "config.json")).rejects.toThrow(/is a file, expected a GGUF file or a folder/);
});

test("one GGUF file is taken when it is named or all that there is; of several one must be named", async () => {
  const paths = ["README.md", "a-q4.gguf", "a-q8.gguf", "mmproj-a.gguf"];
  expect(await chosen(paths, "a-q8.gguf")).toEqual({ path: "a-q8.gguf", files: ["a-q8.gguf"] });
  expect(await chosen(["README.md", "a-q4.gguf", "mmproj-a.gguf"])).toEqual({
    path: "a-q4.gguf",
    files: ["a-q4.gguf"],
  });
  await expect(chosen(paths)).rejects.toThrow(
    /has 2 GGUF files, name one of them: org\/name\/a-q4.gguf, org\/name\/a-q8.gguf/,
  );
});

test("weights that cannot be read are told", async () => {
  await expect(chosen(["a/model.safetensors", "b/config.json"], "a")).rejects.toThrow(
    /^org\/name\/a: has weights but no config.json, expected both in one folder; it has model.safetensors$/,
  );
  await expect(chosen(["config.json", "pytorch_model.bin"])).rejects.toThrow(
    /^org\/name: has no weights that can be read, expected model.safetensors or a GGUF file; it has config.json, pytorch/,
  );
});
