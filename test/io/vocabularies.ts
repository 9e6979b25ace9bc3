import { readFile } from "node:fs/promises";
import type { GgufValue } from "../../src/io/gguf-cursor.js";
import { Tokenizer } from "../../src/io/tokenizer.js";

export const fixtures = "test/fixtures/tokenizers";
export const readJson = async (name: string) => JSON.parse(await readFile(`${fixtures}/${name}`, "utf8"));
export const excerpt = await readFile(`${fixtures}/excerpt.txt`, "utf8");

/** GGUF metadata of a vocabulary, texts and the ids that SentencePiece gives. */
interface SentencePieceFixture {
  metadata: Record<string, GgufValue>;
  cases: [string, number[]][];
}

/** As above, with the ids that Python's tokenizers give under each pre-tokenizer. */
interface ByteLevelFixture {
  metadata: Record<string, GgufValue>;
  texts: string[];
  cases: Record<string, number[][]>;
}

export const gemma: SentencePieceFixture = await readJson("sentencepiece-gemma.json");
export const llama: SentencePieceFixture = await readJson("sentencepiece-llama.json");
export const byteLevel: ByteLevelFixture = await readJson("byte-level.json");

/** The tokenizer of a fixture, some of its `tokenizer.ggml.*` fields changed or, where `undefined`, left out. */
export const fromGguf = (
  metadata: Record<string, GgufValue>,
  changes: Record<string, GgufValue | undefined> = {},
) => {
  const fields = Object.entries({ ...metadata, ...changes }).filter(([, value]) => value !== undefined);
  return Tokenizer.fromGguf(new Map(fields as [string, GgufValue][]), "m.gguf");
};
