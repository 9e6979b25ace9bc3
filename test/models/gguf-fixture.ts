import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../src/engine/index.js";
import { type GgufField, type GgufTensorSpec, ggufBytes } from "../io/gguf-bytes.js";
import { temporaryFolder } from "./fixture.js";

/** Writes f32 tensors as a GGUF file of a family; fields without a section get the family's. */
export async function writeGguf(
  architecture: string,
  fields: Readonly<Record<string, GgufField>>,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<string> {
  const metadata: Record<string, GgufField> = { "general.architecture": ["string", architecture] };
  for (const [key, field] of Object.entries(fields)) {
    metadata[key.startsWith("tokenizer.") ? key : `${architecture}.${key}`] = field;
  }
  const specs: Record<string, GgufTensorSpec> = {};
  for (const [name, { shape, f32 }] of tensors) {
    const data = new Uint8Array(f32.buffer, f32.byteOffset, f32.byteLength);
    specs[name] = { shape: [...shape], dtype: "F32", data };
  }
  const path = join(await temporaryFolder(), "model.gguf");
  await writeFile(path, ggufBytes(metadata, specs));
  return path;
}
