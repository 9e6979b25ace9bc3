import { collate, lengthBuckets } from "../data/collate.js";
import { ignoreIndex } from "../data/ignore-index.js";
import { sortByLength, upTo } from "../data/sampler.js";
import { Tensor } from "../engine/index.js";
import type { Encoding, ForwardInputs, TokenScores, TokenScoresInputs } from "../tptt/graphs/batch.js";

/** A token that a text is asked about. */
export interface Target {
  /** The place in the text after which it may come. */
  readonly after: number;
  readonly token: number;
}

/** A text, and the tokens that it is asked about. */
export interface Probe {
  readonly inputIds: readonly number[];
  readonly targets: readonly Target[];
}

/** What a model says of a token. */
export interface ScoredTarget {
  /** Natural logarithm of its probability. */
  readonly logProb: number;
  /** Whether no token is more likely. */
  readonly greedy: boolean;
}

/** A model that gives hidden states, and says of them what may follow. */
export interface ScoringModel {
  /** Runs a batch. */
  encode(inputs: Omit<ForwardInputs, "labels">): Promise<Encoding>;
  /** Reads the head at some places. */
  scoreTokens(inputs: TokenScoresInputs): Promise<TokenScores>;
}

/** How texts are read. */
export interface ProbeOptions {
  readonly batchSize: number;
  /** Called after each batch. */
  readonly onBatch?: (done: number, total: number) => void;
}

/** Rows that meet the head together: one graph for a few, one for many. */
const [fewRows, manyRows] = [8, 64];

/**
 * What a model says of tokens after texts. Only the places that are asked about meet the head, so a large vocabulary costs
 * little.
 *
 * @returns for each text, in order, its targets' scores.
 */
export async function scoreProbes(
  model: ScoringModel,
  probes: readonly Probe[],
  { batchSize, onBatch }: ProbeOptions,
): Promise<ScoredTarget[][]> {
  const sizes = probes.map(({ inputIds }) => inputIds.length);
  const order = sortByLength(upTo(probes.length), sizes);
  const buckets = lengthBuckets(Math.max(...sizes));
  const scores: ScoredTarget[][] = probes.map(() => []);
  const batches = Math.ceil(order.length / batchSize);
  for (let i = 0; i < batches; i++) {
    const indices = [...order.subarray(i * batchSize, (i + 1) * batchSize)];
    const { inputIds, attentionMask } = batchOf(
      indices.map((index) => probes[index]!),
      batchSize,
      buckets,
    );
    const { lastHiddenState } = await model.encode({ inputIds, attentionMask });
    const length = inputIds.shape[1]!;
    const asked = indices.flatMap((index, row) =>
      probes[index]!.targets.map(({ after, token }) => ({ index, row: row * length + after, token })),
    );
    for (const block of headBlocks(asked)) {
      const hidden = hiddenRows(lastHiddenState, block);
      const { logProbs, greedy } = await model.scoreTokens({ hidden, targets: targetsOf(block) });
      for (const [j, { index }] of block.entries()) {
        scores[index]!.push({ logProb: logProbs.f32[j]!, greedy: greedy.f32[j] === 1 });
      }
    }
    onBatch?.(i + 1, batches);
  }
  return scores;
}

/** Texts side by side, padded on the right. */
function batchOf(probes: readonly Probe[], batchSize: number, buckets: readonly number[]) {
  const examples = probes.map(({ inputIds }) => ({ inputIds, labels: inputIds.map(() => ignoreIndex) }));
  return collate(examples, { batchSize, buckets, paddingSide: "right" });
}

/** A place among the tokens of a batch, [B * S], and the token that may follow it. */
export interface Place {
  readonly row: number;
  readonly token: number;
}

/** Places in as many at a time as meet the head together. */
export function* headBlocks<T extends Place>(places: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < places.length; start += manyRows) yield places.slice(start, start + manyRows);
}

/** How many rows a block is filled up to, so that there are few graphs. */
const filledUp = ({ length }: readonly Place[]) => (length > fewRows ? manyRows : fewRows);

/** The hidden states at the places of a block: [B, S, hidden] -> [n, hidden], filled up with zeros. */
export function hiddenRows(hidden: Tensor, block: readonly Place[]): Tensor {
  const dim = hidden.shape[2]!;
  const rows = Tensor.zeros("f32", [filledUp(block), dim]);
  for (const [i, { row }] of block.entries()) {
    rows.f32.set(hidden.f32.subarray(row * dim, (row + 1) * dim), i * dim);
  }
  return rows;
}

/** The tokens that a block asks about, int64 [n], filled up like {@link hiddenRows}. */
export function targetsOf(block: readonly Place[]): Tensor {
  const targets = Tensor.zeros("int64", [filledUp(block)]);
  for (const [i, { token }] of block.entries()) targets.data[i] = BigInt(token);
  return targets;
}
