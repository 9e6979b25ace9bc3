import { z } from "zod";
import { arrayType, bytesPerElement, type DType, sameShape, sizeOf, Tensor } from "../engine/tensor.js";
import { InputError } from "../errors.js";
import { type ByteSource, openFile } from "./byte-source.js";
import { isObject, type JsonObject } from "./json-file.js";
import { parseJson } from "./json-text.js";
import { placeOfRows, type RowRange } from "./row-range.js";
import { mapOf, parseWith } from "./validate.js";

/** The element types that are read and written: the format's name and ours. */
const dtypes = {
  F64: "f64",
  F32: "f32",
  F16: "f16",
  BF16: "bf16",
  I64: "int64",
  I32: "int32",
  I8: "int8",
  U8: "uint8",
  BOOL: "bool",
} as const satisfies Record<string, DType>;

/** Name of an element type in a safetensors header. */
export type SafetensorsDType = keyof typeof dtypes;

/** Where and how one tensor lies in a safetensors file. */
export interface SafetensorsInfo {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  /** From the start of the file, in bytes. */
  readonly offset: number;
  readonly byteLength: number;
}

/** An open safetensors file: its header is checked, its tensors are read one by one. */
export interface SafetensorsFile {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, SafetensorsInfo>;
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * One tensor, or some of its rows, in the type it is stored in.
   *
   * @throws InputError when the file has no tensor of that name.
   */
  read(name: string, rows?: RowRange): Promise<Tensor>;
  close(): Promise<void>;
}

// The limit of the reference implementation.
const maxHeader = 100_000_000;

/**
 * Opens a safetensors file (https://github.com/huggingface/safetensors). The header is believed only as far as it fits
 * the file: every tensor lies inside, has the bytes that its shape needs, and shares none with another.
 *
 * @throws InputError naming the file and the tensor that is wrong.
 */
export async function openSafetensorsFile(file: string | ByteSource): Promise<SafetensorsFile> {
  const source = typeof file === "string" ? await openFile(file) : file;
  try {
    const { tensors, metadata } = await readHeader(source);
    return {
      name: source.name,
      tensors,
      metadata,
      read: async (name, rows) => {
        const info = tensors.get(name);
        if (!info) throw missingTensor(source.name, name, tensors.keys());
        const { offset, byteLength, shape } = placeOfRows(info, rows);
        const bytes = await source.read(offset, byteLength, `tensor ${name}`);
        const dtype = dtypes[info.dtype];
        return new Tensor(dtype, shape, new (arrayType(dtype))(bytes.buffer));
      },
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The error for a tensor that a file should have and does not. */
export function missingTensor(file: string, name: string, present: Iterable<string>): InputError {
  const names = [...present];
  const some = names.slice(0, 5).join(", ") + (names.length > 5 ? ", ..." : "");
  return new InputError(
    `${file}: tensor ${name}`,
    `is missing; the file holds ${names.length} tensors: ${some}`,
  );
}

async function readHeader(source: ByteSource): Promise<Pick<SafetensorsFile, "tensors" | "metadata">> {
  const where = `${source.name}: header`;
  const start = new DataView((await source.read(0, 8, "the header's length")).buffer);
  const length = start.getBigUint64(0, true);
  if (length > BigInt(maxHeader)) {
    throw new InputError(
      where,
      `claims ${length} bytes, expected at most ${maxHeader}; is it a safetensors file?`,
    );
  }
  const bytes = await source.read(8, Number(length), "the header");
  const header = parseHeader(where, bytes);

  const dataStart = 8 + bytes.length;
  const { __metadata__ = {}, ...entries } = header;
  const metadata = parseWith(metadataSchema, __metadata__, `${source.name}: __metadata__`);
  const tensors = new Map<string, SafetensorsInfo>();
  for (const [name, entry] of Object.entries(entries)) {
    tensors.set(name, parseInfo(source, name, entry, dataStart));
  }
  checkPlaces(source, tensors, dataStart);
  return { tensors, metadata };
}

function parseHeader(where: string, bytes: Uint8Array): JsonObject {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new InputError(where, "is not UTF-8 text; is it a safetensors file?", { cause: error });
  }
  const header = parseJson(text, where, "is it a safetensors file?");
  if (!isObject(header)) throw new InputError(where, "is not a JSON object; is it a safetensors file?");
  return header;
}

const metadataSchema = mapOf(z.string(), z.string());
const size = z.int().nonnegative();
const infoSchema = z.object({
  dtype: z.enum(Object.keys(dtypes) as SafetensorsDType[]),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});

function parseInfo(source: ByteSource, name: string, entry: unknown, dataStart: number): SafetensorsInfo {
  const where = `${source.name}: tensor ${name}`;
  const { dtype, shape, data_offsets } = parseWith(infoSchema, entry, where);
  const [begin, end] = data_offsets;
  const byteLength = sizeOf(shape) * bytesPerElement(dtypes[dtype]);
  if (byteLength !== end - begin) {
    throw new InputError(
      where,
      `[${shape}] ${dtype} needs ${byteLength} bytes, its data_offsets give ${end - begin}; the file is corrupt`,
    );
  }
  if (dataStart + end > source.size) {
    throw new InputError(
      where,
      `needs bytes ${dataStart + begin}..${dataStart + end}, the file has ${source.size}; it is truncated or corrupt, download it again`,
    );
  }
  return { dtype, shape, offset: dataStart + begin, byteLength };
}

/** The format allows neither overlap nor hole: a byte belongs to one tensor. */
function checkPlaces(
  source: ByteSource,
  tensors: ReadonlyMap<string, SafetensorsInfo>,
  dataStart: number,
): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = dataStart;
  let before = "the header";
  for (const [name, info] of inOrder) {
    if (info.offset !== end) {
      const problem =
        info.offset < end ? `overlaps ${before}` : `leaves ${info.offset - end} unused bytes after ${before}`;
      throw new InputError(`${source.name}: tensor ${name}`, `${problem}; the file is corrupt`);
    }
    end += info.byteLength;
    before = name;
  }
  if (end !== source.size) {
    throw new InputError(source.name, `has ${source.size - end} bytes after ${before}; the file is corrupt`);
  }
}

const dtypeNames = new Map<DType, SafetensorsDType>(
  Object.entries(dtypes).map(([name, dtype]) => [dtype, name as SafetensorsDType]),
);

/** What transformers expects of a file that PyTorch could have written. */
const pytorchMetadata = { format: "pt" };

/** A tensor that is read only when its turn comes. */
export interface LazyTensor extends Pick<Tensor, "dtype" | "shape"> {
  read(): Promise<Tensor>;
}

/**
 * The order in which tensors lie in a file, and what stands before them. The same tensors give the same bytes: wide
 * elements first (so that all are aligned), then by name, after a header padded to 8 bytes.
 */
function arrange<T extends Pick<Tensor, "dtype" | "shape">>(
  tensors: ReadonlyMap<string, T>,
  metadata: Readonly<Record<string, string>>,
): { readonly start: Uint8Array; readonly ordered: readonly (readonly [name: string, tensor: T])[] } {
  const ordered = [...tensors].sort(
    ([a, x], [b, y]) => bytesPerElement(y.dtype) - bytesPerElement(x.dtype) || (a < b ? -1 : 1),
  );
  const header: Record<string, unknown> = Object.create(null);
  const fields = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (fields.length > 0) header.__metadata__ = Object.fromEntries(fields);
  let offset = 0;
  for (const [name, { dtype, shape }] of ordered) {
    if (name === "__metadata__") throw new RangeError(`encodeSafetensors: a tensor cannot be named ${name}`);
    const end = offset + sizeOf(shape) * bytesPerElement(dtype);
    header[name] = { dtype: dtypeNames.get(dtype), shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20, 8);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(json, 8);
  return { start, ordered };
}

const bytesOf = ({ data }: Tensor) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** The bytes of a safetensors file, piece by piece, without a copy of the tensors; see {@link arrange}. */
export function* encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = pytorchMetadata,
): Generator<Uint8Array> {
  const { start, ordered } = arrange(tensors, metadata);
  yield start;
  for (const [, tensor] of ordered) yield bytesOf(tensor);
}

/** Writes tensors as a safetensors file, atomically; see {@link encodeSafetensors}. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = pytorchMetadata,
): Promise<void> {
  const { writeFileAtomic } = await import("./atomic-file.js");
  await writeFileAtomic(path, encodeSafetensors(tensors, metadata));
}

/**
 * The same for tensors that are not in memory: each is read when it is written.
 *
 * @throws Error when one is not of the type or shape that was announced.
 */
export async function streamSafetensors(
  path: string,
  tensors: ReadonlyMap<string, LazyTensor>,
): Promise<void> {
  const { writeFileAtomic } = await import("./atomic-file.js");
  await writeFileAtomic(path, readInOrder(arrange(tensors, pytorchMetadata)));
}

async function* readInOrder({
  start,
  ordered,
}: ReturnType<typeof arrange<LazyTensor>>): AsyncGenerator<Uint8Array> {
  yield start;
  for (const [name, { dtype, shape, read }] of ordered) {
    const tensor = await read();
    if (tensor.dtype !== dtype || !sameShape(tensor.shape, shape)) {
      throw new Error(
        `streamSafetensors: ${name} is ${tensor.dtype} [${tensor.shape}], not ${dtype} [${shape}]`,
      );
    }
    yield bytesOf(tensor);
  }
}
