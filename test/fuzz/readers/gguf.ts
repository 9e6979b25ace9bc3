import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readGgufHeader } from "../../../src/io/gguf.js";
import type { GgufValue } from "../../../src/io/gguf-cursor.js";
import { Tokenizer } from "../../../src/io/tokenizer.js";
import { openGguf } from "../../../src/io/weight-source.js";
import { openCheckpoint } from "../../../src/models/checkpoint.js";
import { type GgufField, type GgufTensorSpec, ggufBytes } from "../../io/gguf-bytes.js";
import { llamaFields, llamaName } from "../../models/gguf-names.js";
import { readTensors } from "../../tensors.js";
import { mutateGguf } from "../mutate-formats.js";
import { fixture, type Reader, type Step, sample } from "../sample.js";
import { useTokenizer } from "./tokenizer.js";
import { readAll } from "./weights.js";

/** A JSON value as the field of a GGUF file. */
function ggufField(value: GgufValue): GgufField {
  if (typeof value === "string") return ["string", value];
  if (typeof value === "boolean") return ["bool", value];
  if (typeof value === "number") return Number.isInteger(value) ? ["u32", value] : ["f32", value];
  const list = value as readonly GgufValue[];
  const [first = 0] = list;
  if (typeof first === "string") return [["string"], list];
  return [[list.every((x) => Number.isInteger(x)) ? "i32" : "f32"], list];
}

/** Weights of every type, a whole model, and vocabularies of the three kinds. */
export const gguf: Reader = {
  name: "gguf",
  async samples(root) {
    const path = (folder: string) => join(folder, "model.gguf");
    const readWeights = (folder: string, step: Step) =>
      step(async () => readAll(await openGguf(path(folder)), step));
    const readModel = (folder: string, step: Step) =>
      step(async () => (await openCheckpoint(path(folder))).close());
    const readVocabulary = (folder: string, step: Step) =>
      step(async () => {
        const { metadata } = await readGgufHeader(path(folder));
        await useTokenizer(Tokenizer.fromGguf(metadata, path(folder)), step);
      });
    const model: Record<string, GgufTensorSpec> = {};
    for (const [name, { shape, f32 }] of await readTensors(fixture("models/llama-gqa/model.safetensors"))) {
      const data = new Uint8Array(f32.buffer, f32.byteOffset, f32.byteLength);
      model[llamaName(name)] = { shape: [...shape], dtype: "F32", data };
    }
    const header = Object.entries(llamaFields).map(([key, field]) => [
      key.startsWith("tokenizer.") ? key : `llama.${key}`,
      field,
    ]);
    const contents: [Uint8Array, typeof readModel][] = [
      [await readFile(fixture("gguf/types.gguf")), readWeights],
      [
        ggufBytes({ "general.architecture": ["string", "llama"], ...Object.fromEntries(header) }, model),
        readModel,
      ],
    ];
    for (const name of ["sentencepiece-llama", "sentencepiece-gemma", "byte-level"]) {
      const { metadata } = JSON.parse(await readFile(fixture(`tokenizers/${name}.json`), "utf8"));
      const fields = Object.entries({ "tokenizer.ggml.pre": "llama-bpe", ...metadata });
      const bytes = ggufBytes(
        Object.fromEntries(fields.map(([key, value]) => [key, ggufField(value as GgufValue)])),
      );
      contents.push([bytes, readVocabulary]);
    }
    return Promise.all(
      contents.map(([bytes, read]) => sample(root, { file: "model.gguf", bytes, mutate: mutateGguf, read })),
    );
  },
};
