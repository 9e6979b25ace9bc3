import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { splitDataset, subset, TokenizedDataset, toDataset } from "../../src/data/dataset.js";
import { Records, readDataset } from "../../src/data/records.js";
import { upTo } from "../../src/data/sampler.js";
import { type TokenizerLike, tokenizeDataset } from "../../src/data/tokenize.js";
import { temporaryFolder } from "../models/fixture.js";

const tokenizer: TokenizerLike = {
  encode: (text) => [1, ...[...text].map((letter) => letter.charCodeAt(0))],
  bosId: 1,
  eosId: 2,
};
const options = { maxLength: 16 };

async function open(files: Record<string, string>) {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const records = await Records.open([folder]);
  onTestFinished(() => records.close());
  return { folder, records };
}

const jsonl = Array.from({ length: 20 }, (_, i) => JSON.stringify({ text: "x".repeat(i + 1) })).join("\n");
const text = `${"some words of a long text\n".repeat(4000)}the end`;

describe("TokenizedDataset", () => {
  test("gives the examples that the records make, in any order", async () => {
    const { folder, records } = await open({ "a.jsonl": jsonl, "b.txt": text, "c.csv": "text\nlast\n" });
    const dataset = await TokenizedDataset.create(records, tokenizer, options);
    const expected = tokenizeDataset(await readDataset(folder), tokenizer, options);
    expect(dataset.length).toBe(expected.length);
    const order = [...upTo(dataset.length)].sort((a, b) => ((a * 7919) % 1009) - ((b * 7919) % 1009));
    expect(await dataset.read(order)).toEqual(order.map((i) => expected[i]));
  });

  test("has sizes that grow with the examples", async () => {
    const { records } = await open({ "a.jsonl": jsonl });
    const { sizes } = await TokenizedDataset.create(records, tokenizer, options);
    expect(Array.from(sizes)).toEqual(Array.from(sizes).toSorted((a, b) => a - b));
  });

  test("has another fingerprint with other records, another length or mask", async () => {
    const { records } = await open({ "a.jsonl": jsonl });
    const { records: others } = await open({ "a.jsonl": jsonl.replace("xx", "xy") });
    const of = async (from: Records, changes: object = {}) =>
      (await TokenizedDataset.create(from, tokenizer, { ...options, ...changes })).fingerprint;
    const all = [
      await of(records),
      await of(others),
      await of(records, { maxLength: 17 }),
      await of(records, { maskPrompt: true }),
    ];
    expect(new Set(all).size).toBe(4);
    expect(await of(records)).toBe(all[0]);
  });

  test("refuses a length that leaves nothing to predict", async () => {
    const { records } = await open({ "a.jsonl": jsonl });
    await expect(TokenizedDataset.create(records, tokenizer, { maxLength: 1 })).rejects.toThrow(
      "max_length: is 1, expected an integer of at least 2",
    );
  });
});

describe("splitDataset", () => {
  const examples = Array.from({ length: 100 }, (_, i) => ({ inputIds: [i, i], labels: [i, i] }));
  const firsts = async (part: ReturnType<typeof toDataset>) =>
    (await part.read([...upTo(part.length)])).map(({ inputIds }) => inputIds[0]!);

  test("draws what is held out by the seed; each example is in one part, in its order", async () => {
    const { train, held } = splitDataset(toDataset(examples), 10, 7);
    const [trained, heldOut] = [await firsts(train), await firsts(held)];
    expect([...trained, ...heldOut].toSorted((a, b) => a - b)).toEqual([...upTo(100)]);
    expect(heldOut).toHaveLength(10);
    expect(heldOut).toEqual(heldOut.toSorted((a, b) => a - b));
    expect(trained).toEqual(trained.toSorted((a, b) => a - b));
    expect(Math.max(...heldOut) - Math.min(...heldOut)).toBeGreaterThan(30);
    expect(await firsts(splitDataset(toDataset(examples), 10, 7).held)).toEqual(heldOut);
    expect(await firsts(splitDataset(toDataset(examples), 10, 8).held)).not.toEqual(heldOut);
    expect(splitDataset(toDataset(examples), 10, 8).train.fingerprint).not.toBe(train.fingerprint);
  });

  test("refuses to hold out everything", () => {
    expect(() => splitDataset(toDataset(examples), 100, 0)).toThrow(
      "eval_samples: is 100, but the data give 100 examples; leave some to train on",
    );
  });

  test("a subset of a subset has the right examples and sizes", async () => {
    const odd = subset(toDataset(examples), Uint32Array.from([1, 3, 5, 7]));
    const part = subset(odd, Uint32Array.from([3, 0]));
    expect(await firsts(part)).toEqual([7, 1]);
    expect(Array.from(part.sizes)).toEqual([2, 2]);
  });
});
