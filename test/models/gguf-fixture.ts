import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FrozenWeights, Tensor } from "../../src/engine/index.js";
import type { Module } from "../../src/nn/module.js";
import { type GgufField, type GgufTensorSpec, ggufBytes } from "../io/gguf-bytes.js";
import { temporaryFolder } from "./fixture.js";
import { llamaFields, llamaName } from "./gguf-names.js";

/** Writes tensors, f32 or as they are to be stored, as a GGUF file of a family; fields without a section get the family's. */
export async function writeGguf(
  architecture: string,
  fields: Readonly<Record<string, GgufField>>,
  tensors: ReadonlyMap<string, Tensor | GgufTensorSpec>,
): Promise<string> {
  const metadata: Record<string, GgufField> = { "general.architecture": ["string", architecture] };
  for (const [key, field] of Object.entries(fields)) {
    metadata[key.startsWith("tokenizer.") ? key : `${architecture}.${key}`] = field;
  }
  const specs: Record<string, GgufTensorSpec> = {};
  for (const [name, tensor] of tensors) {
    if (!(tensor instanceof Tensor)) {
      specs[name] = tensor;
      continue;
    }
    const { shape, f32 } = tensor;
    const data = new Uint8Array(f32.buffer, f32.byteOffset, f32.byteLength);
    specs[name] = { shape: [...shape], dtype: "F32", data };
  }
  const path = join(await temporaryFolder(), "model.gguf");
  await writeFile(path, ggufBytes(metadata, specs));
  return path;
}

/** As the converter does for Llama and OLMo: w.reshape(heads, 2, D / 2, ..).swapaxes(1, 2) */
export function permuted({ shape, f32 }: Tensor, headDim: number): Tensor {
  const rows: number[] = [];
  for (let head = 0; head < shape[0]! / headDim; head++)
    for (let i = 0; i < headDim / 2; i++)
      for (let half = 0; half < 2; half++) rows.push(head * headDim + (half * headDim) / 2 + i);
  const width = f32.length / shape[0]!;
  return Tensor.f32(
    shape,
    rows.flatMap((row) => [...f32.subarray(row * width, (row + 1) * width)]),
  );
}

/** Writes a tiny Llama as llama.cpp's converter does. */
export async function writeLlamaGguf(model: Module, frozen: FrozenWeights): Promise<string> {
  const tensors = new Map<string, Tensor>();
  for (const [path] of model.namedParameters()) {
    const tensor = await frozen.read(path);
    tensors.set(llamaName(path), /[qk]_proj/.test(path) ? permuted(tensor, 12) : tensor);
  }
  return writeGguf("llama", llamaFields, tensors);
}
