import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Tokenizer } from "../../src/io/tokenizer.js";
import { byteLevel, fixtures, fromGguf, gemma, llama, readJson } from "../io/vocabularies.js";
import { temporaryFolder } from "../models/fixture.js";
import { cut, holds, names, outcome, refused, share, texts } from "./properties.js";

/** Vocabularies that have a token, or several, for any text. */
const exact: [string, Tokenizer][] = [
  ["byte-level, of a folder", await Tokenizer.fromFolder(`${fixtures}/gpt2`)],
  ["byte-level, of a GGUF file", fromGguf(byteLevel.metadata, { "tokenizer.ggml.pre": "llama-bpe" })],
  ["SentencePiece, of a folder", await Tokenizer.fromFolder(`${fixtures}/llama`)],
  ["SentencePiece, with a space before the text", fromGguf(llama.metadata)],
  ["SentencePiece, without one", fromGguf(gemma.metadata)],
];
const all: [string, Tokenizer][] = [...exact, ["WordPiece", await Tokenizer.fromFolder(`${fixtures}/bert`)]];

const textOf = (tokenizer: Tokenizer, text: string) =>
  tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true });

test.each(exact)("any text is what its tokens say (%s)", (_, tokenizer) =>
  holds(500, texts, (text) => {
    expect(textOf(tokenizer, text)).toBe(text);
  }),
);

test.each(exact)("half a character is read as the mark that stands for none (%s)", (_, tokenizer) => {
  const units = fc.constantFrom("\ud83d", "\ude00", "a", " ", "\n");
  return holds(200, fc.string({ unit: units, maxLength: 6 }), (text) => {
    expect(textOf(tokenizer, text)).toBe(Buffer.from(text).toString());
  });
});

test.each(all)("tokens that come one by one make the text that they make together (%s)", (_, tokenizer) => {
  const ids = fc.array(fc.nat(tokenizer.vocabSize + 5), { maxLength: 12 });
  return holds(500, ids, fc.boolean(), (ids, skipSpecialTokens) => {
    const stream = tokenizer.stream({ skipSpecialTokens });
    const text = ids.map((id) => stream.push(id)).join("") + stream.flush();
    expect(text).toBe(tokenizer.decode(ids, { skipSpecialTokens }));
  });
});

test.each(all)("what was saved gives the same tokens of any text (%s)", async (_, tokenizer) => {
  const folder = await temporaryFolder();
  await tokenizer.save(folder);
  const saved = await Tokenizer.fromFolder(folder);
  await holds(200, texts, (text) => {
    expect(saved.encode(text)).toEqual(tokenizer.encode(text));
    for (const id of tokenizer.encode(text)) expect(id).toBeLessThan(tokenizer.vocabSize);
  });
});

const gpt2 = await readJson("gpt2/tokenizer.json");
/** The letters that stand for the 256 bytes. */
const letters: readonly string[] = Object.keys(gpt2.model.vocab).filter((token) => [...token].length === 1);

/** Those of the characters that {@link texts} has most of. */
const common = [..."abĠ,;Ċčĉ|ðŁĺĢ"];

/** Byte-level vocabularies: the bytes, and tokens that are made of two of the common ones or of what was made before. */
const merges = fc.array(fc.tuple(share, share), { maxLength: 60 }).map((pairs) => {
  const parts = [...common];
  const merges: [string, string][] = [];
  for (const pair of pairs) {
    const [left, right] = pair.map((at) => parts[Math.floor(parts.length * at)]!) as [string, string];
    if (parts.includes(left + right)) continue;
    parts.push(left + right);
    merges.push([left, right]);
  }
  const tokens = new Set([...letters, ...parts]);
  const vocab = Object.fromEntries([...tokens].map((token, id) => [token, id]));
  return { "tokenizer.json": { ...gpt2, added_tokens: [], model: { ...gpt2.model, vocab, merges } } };
});

test("any text is what its tokens say, whatever a byte-level vocabulary merges", () => {
  expect(new Set([...letters, ...common]).size).toBe(256);
  return holds(100, merges, fc.array(texts, { maxLength: 5 }), (files, texts) => {
    const tokenizer = new Tokenizer({ ...files, "tokenizer_config.json": {} }, "generated");
    for (const text of texts) expect(textOf(tokenizer, text)).toBe(text);
  });
});

/** SentencePiece vocabularies: the bytes, and any texts with any scores. */
const pieces = fc.array(fc.tuple(fc.oneof(texts, names), fc.float({ min: -20, max: 0, noNaN: true })), {
  maxLength: 40,
});

test("any text is what its tokens say, whatever a SentencePiece vocabulary scores", () =>
  holds(100, pieces, fc.array(texts, { maxLength: 5 }), (pieces, texts) => {
    const tokens = ["<unk>", "<s>", "</s>", "\u2581"];
    const types = [2, 3, 3, 1];
    for (let byte = 0; byte < 256; byte++) {
      tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
      types.push(6);
    }
    const scores: number[] = tokens.map(() => 0);
    for (const [text, score] of pieces) {
      const token = text.replaceAll(" ", "\u2581");
      if (token === "" || tokens.includes(token)) continue;
      tokens.push(token);
      types.push(1);
      scores.push(score);
    }
    const tokenizer = fromGguf({
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.scores": scores,
      "tokenizer.ggml.token_type": types,
      "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": 2,
      "tokenizer.ggml.unknown_token_id": 0,
      "tokenizer.ggml.add_space_prefix": false,
    });
    for (const text of texts) expect(textOf(tokenizer, text)).toBe(text);
  }));

test("a tokenizer.json that was cut off anywhere is refused", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "tokenizer.json");
  const bytes = await readFile(`${fixtures}/gpt2/tokenizer.json`);
  const whole = new Uint8Array(Buffer.from(bytes.toString().trimEnd()));
  await holds(50, share, async (left) => {
    await writeFile(path, cut(whole, left));
    expect(await outcome(() => Tokenizer.fromFolder(folder))).toBe(refused);
  });
});
