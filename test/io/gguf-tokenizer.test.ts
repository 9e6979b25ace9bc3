import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readGgufHeader } from "../../src/io/gguf.js";
import type { GgufValue } from "../../src/io/gguf-cursor.js";
import { Tokenizer } from "../../src/io/tokenizer.js";
import { byteLevel, excerpt, fromGguf, gemma, llama } from "./vocabularies.js";

describe.each([
  ["with a space before the text", llama],
  ["with tokens of the user's", gemma],
])("a SentencePiece vocabulary %s", (_, { metadata, cases }) => {
  const tokenizer = fromGguf(metadata);

  test.each(cases)("gives the ids of SentencePiece for %j", (text, ids) => {
    expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(ids);
  });
  test.each(cases)("gives back %j", (text) => {
    expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true })).toBe(text);
  });
  test("gives back a longer text", () => {
    expect(tokenizer.decode(tokenizer.encode(excerpt), { skipSpecialTokens: true })).toBe(excerpt);
  });
  test("puts <s> before a text and knows its named tokens", () => {
    expect(tokenizer.encode("")[0]).toBe(1);
    expect(tokenizer.encode("a b").slice(1)).toEqual(tokenizer.encode("a b", { addSpecialTokens: false }));
    expect([tokenizer.bosId, tokenizer.eosId, tokenizer.vocabSize]).toEqual([1, 2, 560]);
    expect(tokenizer.padId).toBe(metadata["tokenizer.ggml.padding_token_id"]);
  });
});

describe.each(Object.entries(byteLevel.cases))("a byte-level vocabulary cut as %s", (pre, cases) => {
  const tokenizer = fromGguf(byteLevel.metadata, {
    "tokenizer.ggml.pre": pre,
    "tokenizer.ggml.add_bos_token": false,
  });

  test.each(cases.map((ids, i) => [byteLevel.texts[i]!, ids] as const))(
    "gives the ids of Python for %j",
    (text, ids) => {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(pre === "qwen2" ? text.normalize("NFC") : text);
    },
  );
});

describe("a GGUF vocabulary", () => {
  test("of another model is refused", () => {
    expect(() => fromGguf(gemma.metadata, { "tokenizer.ggml.model": "t5" })).toThrow(
      'm.gguf: tokenizer.ggml.model: is "t5", expected llama, gemma or gpt2',
    );
  });

  const wrong: [string, GgufValue | undefined, string][] = [
    ["pre", "unheard-of", 'is "unheard-of", expected one of gpt-2, phi-2, mpt, olmo'],
    ["pre", undefined, "is missing, expected a text"],
    ["pre", "constructor", 'is "constructor", expected one of'],
    ["tokens", undefined, "is missing, expected a list"],
    ["tokens", ["a", 3], "holds 3, expected a string"],
    ["tokens", Array(902).fill("a"), 'has "a" as 0 and as 1; a token must occur once'],
    ["token_type", [1], "has 1 elements, expected 902, one a token"],
    ["merges", ["ab"], 'has "ab", expected two tokens and a space'],
    ["eos_token_id", 902, "is 902, expected a token id below 902"],
    ["add_eos_token", "yes", "is yes, expected true or false"],
  ];
  test.each(wrong)("with %s %j is refused, naming the field", (field, value, message) => {
    const changes = { "tokenizer.ggml.pre": "gpt-2", [`tokenizer.ggml.${field}`]: value };
    expect(() => fromGguf(byteLevel.metadata, changes)).toThrow(
      `m.gguf: tokenizer.ggml.${field}: ${message}`,
    );
  });

  test("that adds a token it does not name is refused", () => {
    expect(() => fromGguf(gemma.metadata, { "tokenizer.ggml.bos_token_id": undefined })).toThrow(
      "m.gguf: tokenizer.ggml.bos_token_id: is missing, though the file says to add this token",
    );
  });

  test("may ask for tokens at both ends", () => {
    const tokenizer = fromGguf(gemma.metadata, { "tokenizer.ggml.add_eos_token": true });
    expect(tokenizer.encode("a")).toEqual([1, ...tokenizer.encode("a", { addSpecialTokens: false }), 2]);
  });

  test("may hold the names of JavaScript's own", () => {
    const tokens = [...(gemma.metadata["tokenizer.ggml.tokens"] as string[])];
    tokens[559] = "__proto__";
    tokens[558] = "constructor";
    const types = tokens.map((_, i) =>
      i >= 558 ? 4 : (gemma.metadata["tokenizer.ggml.token_type"] as number[])[i]!,
    );
    const tokenizer = fromGguf(gemma.metadata, {
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.token_type": types,
    });
    expect(tokenizer.encode("constructor__proto__")).toEqual([1, 558, 559]);
    expect(tokenizer.decode([559, 558])).toBe("__proto__constructor");
  });
});

const gemmaFile = join(homedir(), ".cache/tptt/models/gemma-3-270m-q4_k_m.gguf");

describe.skipIf(!existsSync(gemmaFile))("the vocabulary of Gemma 3", () => {
  test("gives the known ids, and all of a long text back", async () => {
    const { metadata } = await readGgufHeader(gemmaFile);
    const tokenizer = Tokenizer.fromGguf(metadata);
    expect(tokenizer.encode("The capital of France is")).toEqual([2, 818, 5279, 529, 7001, 563]);
    const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
    expect([818, 5279, 529, 7001, 563].map((id) => tokens[id])).toEqual([
      "The",
      "▁capital",
      "▁of",
      "▁France",
      "▁is",
    ]);
    // A long text to round-trip as well, such as tinyshakespeare.
    const given = process.env.TPTT_TEXT;
    const text = given === undefined ? excerpt : await readFile(given, "utf8");
    for (const long of [text, text.slice(0, 20_000).replaceAll("\n", " "), ...byteLevel.texts]) {
      expect(tokenizer.decode(tokenizer.encode(long), { skipSpecialTokens: true })).toBe(long);
    }
  });
});
