import { InputError } from "../errors.js";
import { type ByteSource, openFile } from "./byte-source.js";
import { Cursor, type GgufValue, NeedMoreBytes } from "./gguf-cursor.js";
import { type GgmlTypeName, ggmlTypes } from "./gguf-quants.js";

/** Where and how one tensor lies in a GGUF file. */
export interface GgufTensorInfo {
  readonly name: string;
  readonly dtype: GgmlTypeName;
  /** Row-major as in PyTorch ([out, in] for a linear layer): the file's dimensions reversed. */
  readonly shape: readonly number[];
  /** From the start of the file, in bytes. */
  readonly offset: number;
  readonly byteLength: number;
}

/** The header of a GGUF file. */
export interface GgufHeader {
  readonly version: 2 | 3;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
}

/** Bounds on what a header may claim; real files stay far below. */
const limits = { header: 2 ** 27, metadata: 65_536, tensors: 1_000_000, dimensions: 4 } as const;

// The header's length is not written in the file: parse what was read, and read more when it was too little.
const firstRead = 8 * 2 ** 20;

/**
 * Reads the header of a GGUF file (version 2 or 3, little-endian); the tensors stay on disk.
 *
 * Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Every count, length and offset is checked
 * against the file's size before anything is allocated for it, and every tensor must lie in the file, whole and alone.
 *
 * @throws InputError naming the file and the field or tensor that is wrong.
 */
export async function readGgufHeader(file: string | ByteSource): Promise<GgufHeader> {
  const source = typeof file === "string" ? await openFile(file) : file;
  try {
    for (let length = Math.min(firstRead, source.size); ; length = Math.min(length * 4, source.size)) {
      const cursor = new Cursor(source, await source.read(0, length, "the header"));
      try {
        return parseHeader(cursor, source);
      } catch (error) {
        if (!(error instanceof NeedMoreBytes)) throw error;
        if (length === source.size || length >= limits.header) {
          throw new InputError(
            source.name,
            `ends at byte ${length} inside ${error.what}; it is truncated or corrupt, download it again`,
          );
        }
      }
    }
  } finally {
    if (typeof file === "string") await source.close();
  }
}

function parseHeader(cursor: Cursor, source: ByteSource): GgufHeader {
  cursor.what = "magic";
  const magic = cursor.u32();
  if (magic !== 0x46554747) throw cursor.fail("does not start with 'GGUF'; is it a GGUF file?");
  cursor.what = "version";
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    const kind = version === 0x03000000 || version === 0x02000000 ? "is big-endian" : `is ${version}`;
    throw cursor.fail(
      `${kind}, expected 2 or 3, little-endian; convert the model again with a current llama.cpp`,
    );
  }
  cursor.what = "tensor count";
  const tensorCount = cursor.size(limits.tensors, "tensors");
  cursor.what = "metadata count";
  const metadataCount = cursor.size(limits.metadata, "metadata fields");

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < metadataCount; i++) {
    cursor.what = `metadata field ${i}`;
    const key = cursor.string();
    cursor.what = key;
    if (metadata.has(key)) throw cursor.fail("occurs twice; the file is corrupt");
    metadata.set(key, cursor.value(cursor.u32()));
  }

  const raw: Omit<GgufTensorInfo, "byteLength">[] = [];
  for (let i = 0; i < tensorCount; i++) raw.push(parseTensorInfo(cursor, i, source.size));

  const alignment = metadata.get("general.alignment") ?? 32;
  if (
    typeof alignment !== "number" ||
    alignment < 1 ||
    alignment > 2 ** 20 ||
    (alignment & (alignment - 1)) !== 0
  ) {
    throw new InputError(
      `${source.name}: general.alignment`,
      `is ${String(alignment)}, expected a power of two up to ${2 ** 20}`,
    );
  }
  const dataStart = Math.ceil(cursor.at / alignment) * alignment;
  return { version, metadata, tensors: placeTensors(source, raw, dataStart, alignment) };
}

function parseTensorInfo(
  cursor: Cursor,
  index: number,
  fileSize: number,
): Omit<GgufTensorInfo, "byteLength"> {
  cursor.what = `tensor ${index}`;
  const name = cursor.string();
  cursor.what = `tensor ${name}`;
  const dimensions = cursor.u32();
  if (dimensions > limits.dimensions) {
    throw cursor.fail(`has ${dimensions} dimensions, expected at most ${limits.dimensions}`);
  }
  const shape: number[] = [];
  for (let d = 0; d < dimensions; d++) {
    shape.unshift(cursor.size(Number.MAX_SAFE_INTEGER, "elements in a row"));
  }
  const id = cursor.u32();
  const dtype = typeNames.get(id);
  if (dtype === undefined) {
    const known = Object.keys(ggmlTypes).join(", ");
    const given = unreadableTypes[id] ?? `type ${id}`;
    throw cursor.fail(
      `is stored as ${given}, expected one of ${known}; take a file quantised to one of these`,
    );
  }
  return { name, dtype, shape, offset: cursor.size(fileSize, "bytes of offset") };
}

/** Checks that every tensor lies in the file, aligned, and that none overlaps another. */
function placeTensors(
  source: ByteSource,
  raw: readonly Omit<GgufTensorInfo, "byteLength">[],
  dataStart: number,
  alignment: number,
): Map<string, GgufTensorInfo> {
  const tensors = new Map<string, GgufTensorInfo>();
  for (const info of raw) {
    const fail = (problem: string) => new InputError(`${source.name}: tensor ${info.name}`, problem);
    if (tensors.has(info.name)) throw fail("occurs twice; the file is corrupt");
    const { block, bytes } = ggmlTypes[info.dtype];
    const rowLength = info.shape.at(-1) ?? 1;
    const size = info.shape.reduce((product, n) => product * n, 1);
    if (rowLength % block !== 0)
      throw fail(`has rows of ${rowLength}, expected a multiple of ${block} for ${info.dtype}`);
    const byteLength = (size / block) * bytes;
    const offset = dataStart + info.offset;
    if (info.offset % alignment !== 0)
      throw fail(`has the offset ${info.offset}, expected a multiple of ${alignment}`);
    if (!Number.isSafeInteger(byteLength) || offset + byteLength > source.size) {
      throw fail(
        `[${info.shape}] ${info.dtype} needs bytes ${offset}..${offset + byteLength}, the file has ${source.size}; it is truncated or corrupt, download it again`,
      );
    }
    tensors.set(info.name, { ...info, offset, byteLength });
  }
  const inOrder = [...tensors.values()].filter((t) => t.byteLength > 0).sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < inOrder.length; i++) {
    const before = inOrder[i - 1]!;
    const info = inOrder[i]!;
    if (before.offset + before.byteLength > info.offset) {
      throw new InputError(
        `${source.name}: tensor ${info.name}`,
        `overlaps ${before.name}; the file is corrupt`,
      );
    }
  }
  return tensors;
}

const typeNames = new Map<number, GgmlTypeName>(
  Object.entries(ggmlTypes).map(([name, { id }]) => [id, name as GgmlTypeName]),
);

/** Names of the other storage types, for error messages only. */
const unreadableTypes: Record<number, string> = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  20: "IQ4_NL",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
};
