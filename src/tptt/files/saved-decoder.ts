import type { Decoder } from "../graphs/decoder.js";
import { readDecoderFile, writeDecoderFile } from "./decoder-file.js";
import { fingerprintOf, requireSameModel } from "./fingerprint.js";
import type { TitanSnapshot } from "./snapshot.js";

/** A decoder that was saved, ready to go on. */
export interface LoadedDecoder {
  readonly decoder: Decoder;
  /** What was kept beside it: text by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Writes what a titan's decoder remembers into a file, with the titan's fingerprint. */
export async function saveDecoder(
  path: string,
  decoder: Decoder,
  metadata: Readonly<Record<string, string>>,
  titan: TitanSnapshot,
): Promise<void> {
  const fingerprint = await fingerprintOf(titan, decoder.settings);
  const state = await decoder.stateDict();
  await writeDecoderFile(path, { seen: decoder.seen, state, metadata }, fingerprint);
}

/**
 * Reads what {@link saveDecoder} wrote.
 *
 * @param newDecoder makes a decoder of the titan, as it is now, for so many rows.
 * @throws InputError when the file is damaged, or another titan's.
 */
export async function loadDecoder(
  path: string,
  newDecoder: (batch: number) => Decoder,
  titan: TitanSnapshot,
): Promise<LoadedDecoder> {
  const expected = await fingerprintOf(titan, newDecoder(1).settings);
  const { seen, state, metadata } = await readDecoderFile(path, (found) =>
    requireSameModel(found, expected, path),
  );
  const decoder = newDecoder(seen.length);
  decoder.loadStateDict(state, seen, path);
  return { decoder, metadata };
}
