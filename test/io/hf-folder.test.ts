import { cp, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openHfFolder, readTokenizerIfPresent } from "../../src/io/hf-folder.js";

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "tptt-")), "model");
  await cp("test/fixtures/models/gemma3", folder, { recursive: true });
});
afterEach(() => rm(join(folder, ".."), { recursive: true }));

describe("a model folder", () => {
  test("of transformers gives its config and weights, and no tokenizer when it has none", async () => {
    const { config, generationConfig, weights } = await openHfFolder(folder);
    expect(config).toMatchObject({ model_type: "gemma3_text", hidden_size: 32 });
    expect(generationConfig).toBeUndefined();
    expect(await readTokenizerIfPresent(folder)).toBeUndefined();
    expect((await weights.read("model.norm.weight")).shape).toEqual([32]);
    await weights.close();
  });

  test("gives the tokenizer and the generation config that it has", async () => {
    await cp("test/fixtures/tokenizers/llama", folder, { recursive: true });
    await writeFile(join(folder, "generation_config.json"), '{"top_k": 64, "new": [1]}');
    const { generationConfig, weights } = await openHfFolder(folder);
    expect(generationConfig).toEqual({ top_k: 64, new: [1] });
    expect((await readTokenizerIfPresent(folder))?.vocabSize).toBe(560);
    await weights.close();
  });

  test("that a crash left set aside is found", async () => {
    await rename(folder, join(folder, "..", ".model.old.tmp"));
    const { weights } = await openHfFolder(folder);
    expect(weights.tensors.size).toBeGreaterThan(10);
    await weights.close();
  });

  const broken: [string, string, string | undefined, string][] = [
    ["no config", "config.json", undefined, "model/config.json: does not exist; check the path"],
    ["a config that is no JSON", "config.json", "{", "model/config.json: is not valid JSON"],
    ["no weights", "model.safetensors", undefined, "model/model.safetensors: does not exist"],
    ["cut weights", "model.safetensors", "\x10", "model/model.safetensors: the header's length needs"],
    [
      "a generation config of another kind",
      "generation_config.json",
      "3",
      "generation_config.json: holds a number",
    ],
  ];
  test.each(broken)("with %s is refused, naming the file", async (_, file, content, message) => {
    if (content === undefined) await rm(join(folder, file));
    else await writeFile(join(folder, file), content);
    await expect(openHfFolder(folder)).rejects.toThrow(message);
  });

  test("with a tokenizer that is no JSON is told when it is wanted", async () => {
    await writeFile(join(folder, "tokenizer.json"), "?");
    await expect(readTokenizerIfPresent(folder)).rejects.toThrow("model/tokenizer.json: is not valid JSON");
  });

  test("that is empty or not there is refused", async () => {
    await expect(openHfFolder(join(folder, "nowhere"))).rejects.toThrow(
      "nowhere/config.json: does not exist",
    );
    await mkdir(join(folder, "empty"));
    await expect(openHfFolder(join(folder, "empty"))).rejects.toThrow("empty/config.json: does not exist");
  });
});
