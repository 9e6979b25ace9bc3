import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Tokenizer } from "../../src/io/tokenizer.js";
import { byteLevel, fixtures, fromGguf, gemma, llama, readJson } from "./vocabularies.js";

describe("special tokens", () => {
  const tokenizer = fromGguf(gemma.metadata);

  test("are found in a text, shown, and left out on request", () => {
    const ids = tokenizer.encode("a</s>b", { addSpecialTokens: false });
    expect(ids).toContain(2);
    expect(tokenizer.decode(ids)).toBe("a</s>b");
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe("ab");
  });

  test("of the user's are text and stay", () => {
    const ids = tokenizer.encode("<b>x</b>");
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe("<b>x</b>");
  });

  test("no ids and ids outside the vocabulary have no text", () => {
    expect(tokenizer.decode([])).toBe("");
    expect(tokenizer.decode([560, 100_000])).toBe("");
    const ids = tokenizer.encode("ab", { addSpecialTokens: false });
    expect(tokenizer.decode([...ids, 999])).toBe("ab");
  });
});

describe("a Hugging Face folder", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tptt-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test.each(["llama", "gpt2", "bert"])("of %s kind gives the ids and texts of transformers", async (kind) => {
    const tokenizer = await Tokenizer.fromFolder(`${fixtures}/${kind}`);
    const cases: [string, number[], string][] = await readJson(`${kind}/expected.json`);
    for (const [text, ids, decoded] of cases) {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(decoded);
    }
  });

  test("names its tokens", async () => {
    const tokenizer = await Tokenizer.fromFolder(`${fixtures}/llama`);
    expect([tokenizer.bosId, tokenizer.eosId, tokenizer.padId, tokenizer.vocabSize]).toEqual([
      1,
      2,
      undefined,
      560,
    ]);
  });

  test.each([
    ["SentencePiece", fromGguf(llama.metadata)],
    ["byte-level", fromGguf(byteLevel.metadata, { "tokenizer.ggml.pre": "llama-bpe" })],
  ])("that a %s vocabulary was saved into gives the same tokenizer", async (_, tokenizer) => {
    await tokenizer.save(folder);
    expect((await readdir(folder)).sort()).toEqual(["tokenizer.json", "tokenizer_config.json"]);
    const back = await Tokenizer.fromFolder(folder);
    for (const text of byteLevel.texts) expect(back.encode(text)).toEqual(tokenizer.encode(text));
    expect([back.bosId, back.eosId, back.vocabSize]).toEqual([
      tokenizer.bosId,
      tokenizer.eosId,
      tokenizer.vocabSize,
    ]);
    expect(JSON.parse(JSON.stringify(tokenizer.toFiles()))).toEqual(back.toFiles());
  });

  test("keeps what it does not know when it is saved again", async () => {
    const json = await readJson("gpt2/tokenizer.json");
    await writeFile(join(folder, "tokenizer.json"), JSON.stringify({ ...json, extra: [1] }));
    const tokenizer = await Tokenizer.fromFolder(folder);
    expect(tokenizer.bosId).toBeUndefined();
    await tokenizer.save(folder);
    expect(JSON.parse(await readFile(join(folder, "tokenizer.json"), "utf8"))).toEqual({
      ...json,
      extra: [1],
    });
  });

  const broken: [string, (json: Record<string, unknown>) => unknown, string][] = [
    ["no model", ({ model, ...rest }) => rest, "tokenizer.json: model: is missing"],
    [
      "a model of another kind",
      (json) => ({ ...json, model: { type: "New" } }),
      "tokenizer.json: cannot be used (Unknown TokenizerModel type: New)",
    ],
    [
      "a token without an id",
      (json) => ({ ...json, added_tokens: [{ content: "a", special: true }] }),
      "tokenizer.json: added_tokens.0.id: is missing",
    ],
    [
      "a decoder that is unknown",
      (json) => ({ ...json, decoder: { type: "New" } }),
      "cannot be used (Unknown Decoder type: New)",
    ],
    ["another kind of JSON", () => [], "tokenizer.json: holds an array, expected a JSON object"],
  ];
  test.each(broken)("with %s is refused", async (_, change, message) => {
    const json = await readJson("gpt2/tokenizer.json");
    await writeFile(join(folder, "tokenizer.json"), JSON.stringify(change(json)));
    await expect(Tokenizer.fromFolder(folder)).rejects.toThrow(message);
  });

  test("without a tokenizer is refused", async () => {
    await expect(Tokenizer.fromFolder(folder)).rejects.toThrow("tokenizer.json: does not exist");
  });
});
