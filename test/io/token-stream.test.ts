import { describe, expect, test } from "vitest";
import type { Tokenizer } from "../../src/io/tokenizer.js";
import { byteLevel, excerpt, fromGguf, gemma, llama } from "./vocabularies.js";

describe("a stream", () => {
  const texts = [...gemma.cases.map(([text]) => text), excerpt];
  const tokenizers: [string, Tokenizer][] = [
    ["SentencePiece", fromGguf(gemma.metadata)],
    ["SentencePiece with a space before the text", fromGguf(llama.metadata)],
    ["byte-level", fromGguf(byteLevel.metadata, { "tokenizer.ggml.pre": "gpt-2" })],
  ];

  test.each(tokenizers)("of %s tokens joins to the text and never gives half a character", (_, tokenizer) => {
    for (const text of texts) {
      const stream = tokenizer.stream({ skipSpecialTokens: true });
      const pieces = tokenizer.encode(text).map((id) => stream.push(id));
      for (const piece of pieces) expect(piece).not.toContain("\ufffd");
      expect(stream.flush()).toBe("");
      expect(pieces.join("")).toBe(text);
    }
  });

  test.each(tokenizers)("of %s tokens that make no text joins to what decode gives", (_, tokenizer) => {
    const ids = tokenizer.encode("é日🙂x", { addSpecialTokens: false });
    for (const broken of [ids.toReversed(), ids.slice(1), ids.slice(0, -2), [...ids.slice(0, 3), ...ids]]) {
      const stream = tokenizer.stream();
      const text = broken.map((id) => stream.push(id)).join("") + stream.flush();
      expect(text).toBe(tokenizer.decode(broken));
    }
  });

  test("gives a text as soon as it is certain, a half character at the flush, and starts anew after it", () => {
    const tokenizer = fromGguf(gemma.metadata);
    const bytes = tokenizer.encode("🙂", { addSpecialTokens: false });
    expect(bytes.length).toBe(4);
    const stream = tokenizer.stream();
    expect(bytes.map((id) => stream.push(id))).toEqual(["", "", "", "🙂"]);
    expect(stream.push(bytes[0]!)).toBe("");
    expect(stream.flush()).toBe("\ufffd");
    expect(stream.flush()).toBe("");
    expect(bytes.map((id) => stream.push(id)).join("")).toBe("🙂");
  });
});
