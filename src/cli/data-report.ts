import { ignoreIndex } from "../data/ignore-index.js";
import type { Records } from "../data/records.js";
import { upTo } from "../data/sampler.js";
import { encodeRecord, type TokenizerLike } from "../data/tokenize.js";
import { Random } from "../random.js";
import { histogram } from "./histogram.js";

/** A part of an example's text, and whether it is learnt. */
export interface Piece {
  readonly text: string;
  readonly learnt: boolean;
}

/** What was measured of data; the names are those of the JSON output. */
export type DataMeasures = Awaited<ReturnType<typeof measureData>>["measures"];

/** How {@link measureData} looks at records. */
export interface MeasureOptions {
  /** What is cut off in training. */
  readonly maxLength: number;
  readonly maskPrompt: boolean;
  /** The part of the records that is looked at, from the first on. */
  readonly share: number;
  /** Of the records that are shown. */
  readonly seed: number;
  readonly onProgress: (done: number, total: number) => void;
}

/** What this asks of a tokenizer. */
export interface Codec extends TokenizerLike {
  decode(ids: Iterable<number>): string;
}

/** Records that are shown. */
const shown = 3;

/** Tokenizes the records, and renders three of them. */
export async function measureData(
  records: Records,
  tokenizer: Codec,
  { maxLength, maskPrompt, share, seed, onProgress }: MeasureOptions,
) {
  const count = Math.ceil(records.length * share);
  const chosen = new Set(Random.for(seed, "samples").shuffle(upTo(count)).slice(0, shown));
  const lengths: number[] = [];
  const samples: { record: number; tokens: number; pieces: Piece[] }[] = [];
  let [predicted, truncated, cutOff, documents] = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const record = await records.read(i);
    const { inputIds, labels } = encodeRecord(record, tokenizer, maskPrompt);
    const tokens = inputIds.length;
    lengths.push(tokens);
    const kept = "document" in record ? tokens : Math.min(tokens, maxLength);
    if ("document" in record) documents++;
    if (kept < tokens) truncated++;
    cutOff += tokens - kept;
    for (let t = 1; t < kept; t++) if (labels[t] !== ignoreIndex) predicted++;
    if (chosen.has(i)) {
      const text = inputIds.slice(0, maxLength);
      samples.push({ record: i, tokens, pieces: piecesOf(text, labels, tokenizer) });
    }
    onProgress(i + 1, count);
  }
  const sorted = Uint32Array.from(lengths).sort();
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const quantile = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const measures = {
    records: count,
    malformed: records.malformed,
    documents,
    tokens: total,
    predicted,
    max_length: maxLength,
    truncated,
    tokens_cut_off: cutOff,
    lengths: {
      shortest: sorted[0]!,
      mean: total / lengths.length,
      median: quantile(0.5),
      p95: quantile(0.95),
      longest: sorted.at(-1)!,
    },
    samples,
  };
  return { measures, lengths };
}

/** Text in pieces that are learnt or not; the first token of a row never is. */
function piecesOf(ids: readonly number[], labels: readonly number[], tokenizer: Codec): Piece[] {
  const pieces: Piece[] = [];
  for (let start = 0; start < ids.length; ) {
    const learnt = (t: number) => t > 0 && labels[t] !== ignoreIndex;
    let end = start + 1;
    while (end < ids.length && learnt(end) === learnt(start)) end++;
    pieces.push({ text: tokenizer.decode(ids.slice(start, end)), learnt: learnt(start) });
    start = end;
  }
  return pieces;
}

/** What was measured, for a person. */
export function dataReport(measures: DataMeasures, lengths: readonly number[]): string {
  const { shortest, mean, median, p95, longest } = measures.lengths;
  const { records, malformed, documents, tokens, predicted, max_length, truncated, tokens_cut_off } =
    measures;
  const share = (part: number, all: number) => `${((100 * part) / all).toFixed(1)} %`;
  const kind = documents === records ? "pieces of text" : "records";
  return [
    [
      `${number(records)} ${kind}${malformed > 0 ? `, ${number(malformed)} malformed rows left out` : ""}`,
      `${number(tokens)} tokens, ${number(predicted)} of them predicted`,
      `tokens of a record: shortest ${shortest}, median ${median}, mean ${Math.round(mean)}, 95 % up to ${p95}, longest ${longest}`,
      documents === records
        ? `texts are cut into windows of ${max_length} tokens, and nothing is lost`
        : `longer than ${max_length} tokens: ${number(truncated)} (${share(truncated, records)}), which loses ${number(tokens_cut_off)} tokens (${share(tokens_cut_off, tokens)})`,
    ].join("\n"),
    histogram(lengths),
    ...measures.samples.map(
      ({ record, tokens: length, pieces }) =>
        `record ${record}, ${length} tokens; ⟦what is learnt⟧:\n${pieces.map(({ text, learnt }) => (learnt ? `⟦${text}⟧` : text)).join("")}`,
    ),
  ].join("\n\n");
}

const number = (value: number): string => value.toLocaleString("en-US");
