import { z } from "zod";
import type { Tensor } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { fileError } from "../../io/byte-source.js";
import { sha256 } from "../../io/digest.js";
import { parseJson } from "../../io/json-text.js";
import { openSafetensorsFile, type SafetensorsFile, writeSafetensors } from "../../io/safetensors.js";
import { parseWith } from "../../io/validate.js";
import { digestOfTensors, type Fingerprint } from "./fingerprint.js";

/** What a decoder remembers, in a file. */
export interface DecoderFile {
  /** How many tokens each row has read. */
  readonly seen: readonly number[];
  /** What {@link Decoder.stateDict} gives. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** What its writer put beside it: text by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

const format = "tptt-decoder";
const formatVersion = "1";

/** Metadata that are the format's own. */
const schema = z.looseObject({ fingerprint: z.string(), seen: z.string(), digest: z.string() });
const hash = z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256 hash");
const fingerprintSchema = z.object({
  base_config: hash,
  base_weights: hash,
  config: hash,
  trained_weights: hash,
  mag_weights: z.string(),
}) satisfies z.ZodType<Fingerprint>;
// A row takes room for many tokens, however few it has read: a file that claims many is not believed.
const seenSchema = z.array(z.int().nonnegative()).min(1).max(64);

/** Writes a decoder's state as a safetensors file, atomically. @throws InputError when the path cannot be written, or rows are more than 64. */
export async function writeDecoderFile(
  path: string,
  { seen, state, metadata }: DecoderFile,
  fingerprint: Fingerprint,
): Promise<void> {
  parseWith(seenSchema, seen, `${path}: seen`);
  const fields = {
    ...metadata,
    format,
    format_version: formatVersion,
    fingerprint: JSON.stringify(fingerprint),
    seen: JSON.stringify(seen),
  };
  const digest = await digestOf(fields, state);
  await writeSafetensors(path, state, { ...fields, digest }).catch((error: unknown) => {
    throw fileError(path, error);
  });
}

/**
 * Reads what {@link writeDecoderFile} wrote.
 *
 * @param check is given the fingerprint before the tensors are read, and throws if it is another model's.
 * @throws InputError when the file is none of these, is damaged, or `check` refuses it.
 */
export async function readDecoderFile(
  path: string,
  check: (fingerprint: Fingerprint) => void,
): Promise<DecoderFile> {
  const file = await openSafetensorsFile(path);
  try {
    const given = Object.fromEntries(file.metadata);
    requireFormat(given, path);
    const { digest, ...fields } = parseWith(schema, given, `${path}: __metadata__`);
    const { fingerprint, seen, format: _, format_version, ...metadata } = fields as Record<string, string>;
    const counts = parseField(seenSchema, seen!, `${path}: seen`);
    check(parseField(fingerprintSchema, fingerprint!, `${path}: fingerprint`));
    const state = await readAll(file);
    if (digest !== (await digestOf(fields as Record<string, string>, state))) {
      throw new InputError(
        path,
        "is not what was written: its digest differs; the file is damaged, use another",
      );
    }
    return { seen: counts, state, metadata };
  } finally {
    await file.close();
  }
}

function requireFormat(metadata: Record<string, string>, path: string): void {
  if (metadata.format !== format) {
    throw new InputError(
      `${path}: format`,
      `is ${metadata.format ?? "missing"}, expected ${format}; give a file that a conversation was saved to`,
    );
  }
  if (metadata.format_version !== formatVersion) {
    throw new InputError(
      `${path}: format_version`,
      `is ${metadata.format_version ?? "missing"}, this version of tptt reads ${formatVersion}; use the version that wrote it`,
    );
  }
}

async function readAll(file: SafetensorsFile): Promise<Map<string, Tensor>> {
  const state = new Map<string, Tensor>();
  for (const name of file.tensors.keys()) state.set(name, await file.read(name));
  return state;
}

/** A hash of all that a file holds. */
async function digestOf(
  fields: Readonly<Record<string, string>>,
  state: ReadonlyMap<string, Tensor>,
): Promise<string> {
  const sorted = Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(JSON.stringify([sorted, await digestOfTensors(state)]));
}

/** Text from a file's metadata as JSON of some form. @throws InputError when it is not. */
export const parseField = <T>(schema: z.ZodType<T>, text: string, where: string): T =>
  parseWith(schema, parseJson(text, where, "the file is damaged, use another"), where);
