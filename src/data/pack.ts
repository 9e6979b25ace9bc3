import { type Dataset, identify, whereOf } from "./dataset.js";
import { ignoreIndex } from "./ignore-index.js";
import { type Example, hasTargets } from "./tokenize.js";

/** Examples that are read at a time to measure them. */
const batch = 256;

/**
 * Puts whole examples one after another into sequences of up to `maxLength` tokens, best fit first (Ding et
 * al., Fewer Truncations Improve Language Modeling, 2024), so that little is padding. All are tokenized once to be
 * measured; those with nothing to predict are left out.
 *
 * The first token of each example is not predicted. Positions go on over a sequence; attention and memories see the examples
 * before in it.
 *
 * @param onProgress told how many examples are measured.
 */
export async function packDataset(
  dataset: Dataset,
  maxLength: number,
  onProgress?: (done: number, total: number) => void,
): Promise<Dataset> {
  const lengths = new Uint32Array(dataset.length);
  for (let start = 0; start < dataset.length; start += batch) {
    const count = Math.min(batch, dataset.length - start);
    const examples = await dataset.read(Array.from({ length: count }, (_, i) => start + i));
    for (const [i, example] of examples.entries()) {
      if (hasTargets(example)) lengths[start + i] = example.inputIds.length;
    }
    onProgress?.(start + count, dataset.length);
  }
  const packs = packByLength(lengths, maxLength);
  return {
    length: packs.length,
    sizes: packs.map((pack) => pack.reduce((sum, index) => sum + lengths[index]!, 0)),
    fingerprint: identify(packs.length, dataset.fingerprint, { packed: maxLength }),
    ...(dataset.files ? { files: dataset.files } : {}),
    read: async (indices) => {
      const joined: Example[] = [];
      for (const index of indices) joined.push(join(await dataset.read(packs[index]!)));
      return joined;
    },
    whereOf: (indices) =>
      Promise.all(indices.map(async (index) => (await whereOf(dataset, packs[index]!)).join(" + "))),
  };
}

/** Which examples stand together, of those that have a length; each in the sequence where it leaves the least room. */
export function packByLength(lengths: Uint32Array, maxLength: number): number[][] {
  const packs: number[][] = [];
  /** Sequences by the room that is left in them. */
  const byRoom: number[][] = Array.from({ length: maxLength + 1 }, () => []);
  const longestFirst = Uint32Array.from(lengths.keys())
    .filter((index) => lengths[index]! > 0)
    .sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  for (const index of longestFirst) {
    const length = lengths[index]!;
    let room = length;
    while (room <= maxLength && byRoom[room]!.length === 0) room++;
    const pack = room <= maxLength ? byRoom[room]!.pop()! : packs.push([]) - 1;
    packs[pack]!.push(index);
    byRoom[Math.min(room, maxLength) - length]!.push(pack);
  }
  return packs;
}

/** Examples one after another, without a prediction from one's end to the next one's start. */
function join(examples: readonly Example[]): Example {
  return {
    inputIds: examples.flatMap(({ inputIds }) => inputIds),
    labels: examples.flatMap(({ labels }) => [ignoreIndex, ...labels.slice(1)]),
  };
}
