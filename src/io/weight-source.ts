import { z } from "zod";
import { toF32 } from "../engine/half.js";
import type { BlockFormat, QuantizedMatrix } from "../engine/quantized.js";
import { isFloat, sizeOf, Tensor } from "../engine/tensor.js";
import { InputError } from "../errors.js";
import { type ByteSource, type OpenFile, openFile } from "./byte-source.js";
import { type GgufHeader, type GgufTensorInfo, readGgufHeader } from "./gguf.js";
import { blockFormat, dequantize, type GgmlTypeName, readBlocks } from "./gguf-quants.js";
import { type JsonObject, readJsonFileIfPresent } from "./json-file.js";
import { localAccess, type ModelAccess } from "./model-access.js";
import { pathInside } from "./model-folder.js";
import { placeOfRows, type RowRange } from "./row-range.js";
import {
  missingTensor,
  openSafetensorsFile,
  type SafetensorsDType,
  type SafetensorsFile,
} from "./safetensors.js";
import { mapOf, parseWith } from "./validate.js";

/** What is known of a stored tensor before it is read. */
export interface WeightInfo {
  /** As the file calls it. */
  readonly dtype: SafetensorsDType | GgmlTypeName;
  readonly shape: readonly number[];
  /** Bytes in the file. */
  readonly byteLength: number;
}

/** Weights in a file, whatever its format, under the names that they have there. */
export interface WeightSource {
  /** What error messages call it: the path. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, WeightInfo>;
  /**
   * One tensor, or some of its rows: floating types and quantised blocks as `f32`, integers and booleans as they are.
   *
   * @throws InputError when there is no tensor of that name.
   */
  read(name: string, rows?: RowRange): Promise<Tensor>;
  /** The blocks of a matrix; undefined when it is not stored in blocks, or in such that do not come without loss. */
  blockFormat(name: string): BlockFormat | undefined;
  /** A matrix that has a block format, or some of its rows, in these blocks. */
  readBlocks(name: string, rows?: RowRange): Promise<QuantizedMatrix>;
  close(): Promise<void>;
}

const indexName = "model.safetensors.index.json";

/**
 * Opens safetensors weights: one file, or a Hugging Face folder with `model.safetensors` or the shards that its
 * `model.safetensors.index.json` lists.
 *
 * @param location a path ending in `.safetensors`, a folder, or any byte source
 * @throws InputError naming the file and what is wrong with it.
 */
export async function openSafetensors(
  location: string | ByteSource,
  { fetch, open }: ModelAccess = localAccess,
): Promise<WeightSource> {
  if (typeof location !== "string") return openSingle(location);
  if (location.endsWith(".safetensors")) return openSingle(await open(location));
  await fetch("index");
  const index = await readJsonFileIfPresent(await pathInside(location, indexName));
  if (index) return openShards(location, index, open);
  return openSingle(await open(await pathInside(location, "model.safetensors")));
}

async function openSingle(location: ByteSource): Promise<WeightSource> {
  const file = await openSafetensorsFile(location);
  return fromFiles(file.name, [file], new Map([...file.tensors.keys()].map((name) => [name, file])));
}

// A shard lies beside its index: no path, no parent folder, no drive.
const indexSchema = z.object({
  weight_map: mapOf(
    z.string(),
    z
      .string()
      .regex(/^\w[\w.+=@ -]*\.safetensors$/, "expected a file name such as model-00001-of-00002.safetensors"),
  ),
});

async function openShards(folder: string, index: JsonObject, open: OpenFile): Promise<WeightSource> {
  const { weight_map } = parseWith(indexSchema, index, `${folder}/${indexName}`);
  const shards = new Map<string, SafetensorsFile>();
  try {
    for (const shard of new Set(weight_map.values())) {
      shards.set(shard, await openSafetensorsFile(await open(await pathInside(folder, shard))));
    }
    const fileOf = new Map<string, SafetensorsFile>();
    for (const [name, shard] of weight_map) {
      const file = shards.get(shard)!;
      if (!file.tensors.has(name)) throw missingTensor(file.name, name, file.tensors.keys());
      fileOf.set(name, file);
    }
    return fromFiles(folder, [...shards.values()], fileOf);
  } catch (error) {
    for (const file of shards.values()) await file.close();
    throw error;
  }
}

function fromFiles(
  name: string,
  files: readonly SafetensorsFile[],
  fileOf: ReadonlyMap<string, SafetensorsFile>,
): WeightSource {
  return {
    name,
    tensors: new Map([...fileOf].map(([tensor, file]) => [tensor, file.tensors.get(tensor)!])),
    read: async (tensor, rows) => {
      const file = fileOf.get(tensor);
      if (!file) throw missingTensor(name, tensor, fileOf.keys());
      const stored = await file.read(tensor, rows);
      return isFloat(stored.dtype) ? toF32(stored) : stored;
    },
    blockFormat: () => undefined,
    readBlocks: async (tensor) => {
      throw new Error(`${name}: ${tensor} is not stored in blocks`);
    },
    close: async () => {
      for (const file of files) await file.close();
    },
  };
}

/** Weights of a GGUF file, with the header that tells what model they are. */
export interface GgufSource extends WeightSource {
  readonly header: GgufHeader;
}

/** A file that says more is not believed. */
const mostExperts = 4096;

/**
 * The matrices of a layer's experts are stacked in one tensor, `blk.0.ffn_up_exps.weight` [E, out, in]: each becomes
 * a tensor of its own, `blk.0.ffn_up.3.weight`, as files had them before.
 */
function withoutStacks(stored: ReadonlyMap<string, GgufTensorInfo>): Map<string, GgufTensorInfo> {
  const single = [...stored.values()].flatMap((info): GgufTensorInfo[] => {
    const [experts = 0, ...shape] = info.shape;
    const isStack = info.name.endsWith("_exps.weight") && shape.length === 2 && experts <= mostExperts;
    if (!isStack) return [info];
    const byteLength = info.byteLength / experts;
    return Array.from({ length: experts }, (_, i) => ({
      ...info,
      name: info.name.replace("_exps", `.${i}`),
      shape,
      offset: info.offset + i * byteLength,
      byteLength,
    }));
  });
  return new Map(single.map((info) => [info.name, info]));
}

/**
 * Opens the weights of a GGUF file.
 *
 * @throws InputError naming the file and the field or tensor that is wrong.
 */
export async function openGguf(location: string | ByteSource): Promise<GgufSource> {
  const source = typeof location === "string" ? await openFile(location) : location;
  try {
    const header = await readGgufHeader(source);
    const files = header.metadata.get("split.count") ?? 1;
    if (typeof files !== "number" || files > 1) {
      const problem = `is ${files}, expected 1 file; join them with llama-gguf-split --merge`;
      throw new InputError(`${source.name}: split.count`, problem);
    }
    const tensors = withoutStacks(header.tensors);
    const infoOf = (name: string) => {
      const info = tensors.get(name);
      if (!info) throw missingTensor(source.name, name, tensors.keys());
      return info;
    };
    const bytesOf = async (name: string, rows: RowRange | undefined) => {
      const { dtype, shape, offset, byteLength } = placeOfRows(infoOf(name), rows);
      return { dtype, shape, bytes: await source.read(offset, byteLength, `tensor ${name}`) };
    };
    return {
      name: source.name,
      header,
      tensors,
      read: async (name, rows) => {
        const { dtype, shape, bytes } = await bytesOf(name, rows);
        return new Tensor("f32", shape, dequantize(dtype, bytes, sizeOf(shape)));
      },
      blockFormat: (name) => {
        const { dtype, shape } = infoOf(name);
        return blockFormat(dtype, shape);
      },
      readBlocks: async (name, rows) => {
        const { dtype, shape, bytes } = await bytesOf(name, rows);
        return readBlocks(dtype, bytes, shape);
      },
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}
