import { Tokenizer as Library, PreTokenizer } from "@huggingface/tokenizers";
import { expect, test } from "vitest";
import { TextCutter } from "../../src/io/text-cutter.js";
import { byteLevel, excerpt, fromGguf, gemma } from "./vocabularies.js";

test("a long text is cut where no token has the two neighbours, never inside a character", () => {
  const cutter = new TextCutter(null, ["a", "b", "ab", "▁", "▁a", "bb"]);
  expect(cutter.pre_tokenize_text("aab▁ab▁▁abba🙂🙂cc")).toEqual([
    "a",
    "ab",
    "▁ab",
    "▁",
    "▁abb",
    "a",
    "🙂",
    "🙂",
    "c",
    "c",
  ]);
});

test("what a first pre-tokenizer gives is cut further, and what is short stays", () => {
  const words = new (class extends PreTokenizer {
    override pre_tokenize_text = (text: string) => text.split("|");
  })();
  const cutter = new TextCutter(words, ["a"]);
  expect(cutter.pre_tokenize_text("bbb|bbb|aaaaaaaaaaaaaaaaaaaa").slice(0, 4)).toEqual([
    "bbb",
    "bbb",
    "a",
    "a",
  ]);
});

test("a text that is short beside the vocabulary is not worth a search for neighbours", () => {
  const tokens = Array.from({ length: 6400 }, () => "ab");
  const cutter = new TextCutter(null, tokens);
  const text = "ba".repeat(20);
  expect(cutter.pre_tokenize_text(text)).toEqual([text]);
  expect(cutter.pre_tokenize_text(text)).toEqual([text]);
  expect(cutter.pre_tokenize_text(text).length).toBe(21);
});

test.each([
  ["SentencePiece", fromGguf(gemma.metadata)],
  ["byte-level", fromGguf(byteLevel.metadata, { "tokenizer.ggml.pre": "gpt-2" })],
])("the tokens of a %s vocabulary are the same without cuts", (_, tokenizer) => {
  const files = tokenizer.toFiles();
  const uncut = new Library(files["tokenizer.json"], files["tokenizer_config.json"]);
  for (const text of [excerpt, "=".repeat(500), "日本語".repeat(50), ...byteLevel.texts]) {
    expect(tokenizer.encode(text)).toEqual(uncut.encode(text).ids);
  }
});
