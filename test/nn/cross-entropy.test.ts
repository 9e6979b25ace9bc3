import { describe, expect, test } from "vitest";
import { ignoreIndex } from "../../src/data/ignore-index.js";
import {
  compile,
  dequantize,
  FrozenWeights,
  gradients,
  parameter,
  quantize,
  Tensor,
  type Value,
} from "../../src/engine/index.js";
import { crossEntropySum } from "../../src/nn/cross-entropy.js";
import { Random } from "../../src/random.js";

interface Case {
  /** [N, hidden] */
  readonly x: Tensor;
  /** [vocab, hidden] */
  readonly head: Tensor;
  readonly labels: readonly number[];
}

function randomCase(rows: number, { vocab = 13, hidden = 6, scale = 1 } = {}): Case {
  const random = Random.for(0, "cross-entropy", rows, vocab);
  const normal = (...shape: [number, number]) =>
    Tensor.f32(
      shape,
      Array.from({ length: shape[0] * shape[1] }, () => scale * random.normal()),
    );
  const labels = Array.from({ length: rows }, () =>
    random.below(4) === 0 ? ignoreIndex : random.below(vocab),
  );
  return { x: normal(rows, hidden), head: normal(vocab, hidden), labels };
}

/** Loss and gradients by the plain formula in float64. */
function reference({ x, head, labels }: Case) {
  const [vocab, hidden] = head.shape as [number, number];
  const gradX = new Float64Array(x.size);
  const gradHead = new Float64Array(head.size);
  let loss = 0;
  for (const [row, label] of labels.entries()) {
    if (label < 0) continue;
    const logits = Array.from({ length: vocab }, (_, v) => {
      let logit = 0;
      for (let i = 0; i < hidden; i++) logit += x.f32[row * hidden + i]! * head.f32[v * hidden + i]!;
      return logit;
    });
    const largest = Math.max(...logits);
    const logSum = largest + Math.log(logits.reduce((sum, l) => sum + Math.exp(l - largest), 0));
    loss += logSum - logits[label]!;
    for (const [v, logit] of logits.entries()) {
      const pull = Math.exp(logit - logSum) - Number(v === label);
      for (let i = 0; i < hidden; i++) {
        gradX[row * hidden + i]! += pull * head.f32[v * hidden + i]!;
        gradHead[v * hidden + i]! += pull * x.f32[row * hidden + i]!;
      }
    }
  }
  return { loss, gradX, gradHead };
}

/** How the head is held, and gone through. */
interface Kind {
  readonly trainable?: boolean;
  readonly loop?: boolean;
  /** Its blocks, of which `head` is what they stand for. */
  readonly bits?: 4 | 8;
}

async function run({ x, head, labels }: Case, { trainable = false, loop, bits }: Kind) {
  const weight = parameter(...head.shape);
  weight.name = "head";
  weight.trainable = trainable;
  const frozen = await FrozenWeights.create();
  if (bits) await frozen.addQuantized("head", quantize(head, bits));
  else await frozen.add("head", head);
  const fn = ({ x, labels }: { x: Value; labels: Value }) => {
    const loss = crossEntropySum(x, weight, labels, loop);
    const [gradX, gradHead] = gradients(loss, trainable ? [x, weight] : [x]);
    return { loss, gradX: gradX!, ...(gradHead ? { gradHead } : {}) };
  };
  const inputs = {
    x: { dtype: "f32", shape: x.shape },
    labels: { dtype: "int64", shape: [labels.length] },
  } as const;
  const step = await compile(fn, { inputs, frozen, threads: 1 });
  const result = await step.run({ x, labels: Tensor.int64([labels.length], labels), params: { head } });
  await step.release();
  await frozen.dispose();
  return result as { loss: Tensor; gradX: Tensor; gradHead?: Tensor };
}

const kinds: readonly (Kind & { readonly name: string })[] = [
  { name: "frozen" },
  { name: "frozen, without a loop", loop: false },
  { name: "trainable", trainable: true },
];

describe.each(kinds)("crossEntropySum with a head that is $name", ({ trainable = false, ...kind }) => {
  // 256 rows are one slice of a trainable head; 257, 600 and 1030 do not divide into slices of one size.
  test.each([1, 7, 256, 257, 512, 600, 1030])("equals the plain formula for %i rows", async (rows) => {
    const given = randomCase(rows);
    const expected = reference(given);
    const { loss, gradX, gradHead } = await run(given, { ...kind, trainable });
    expect(loss.item() / expected.loss).toBeCloseTo(1, 5);
    expect(gradX).toBeCloseToTensor(expected.gradX, { atol: 1e-5 });
    if (trainable) expect(gradHead!).toBeCloseToTensor(expected.gradHead, { rtol: 1e-4, atol: 1e-4 });
  });

  // 16,386 words are cut into 6 parts; 8,209 is a prime, which has no equal parts.
  test.each([16_386, 8209])("equals the plain formula over %i words", async (vocab) => {
    const given = randomCase(7, { vocab });
    const expected = reference(given);
    const { loss, gradX, gradHead } = await run(given, { ...kind, trainable });
    expect(loss.item() / expected.loss).toBeCloseTo(1, 5);
    expect(gradX).toBeCloseToTensor(expected.gradX, { atol: 1e-5 });
    if (trainable) expect(gradHead!).toBeCloseToTensor(expected.gradHead, { rtol: 1e-4, atol: 1e-4 });
  });

  test("stays exact where the label's probability is far below the smallest number", async () => {
    const given = randomCase(40, { scale: 12 });
    const losses = given.labels.map(
      (label, row) =>
        reference({ ...given, labels: given.labels.map((_, i) => (i === row ? label : -100)) }).loss,
    );
    expect(Math.max(...losses)).toBeGreaterThan(300);
    const expected = reference(given);
    const { loss, gradX, gradHead } = await run(given, { ...kind, trainable });
    expect(loss.item() / expected.loss).toBeCloseTo(1, 5);
    expect(gradX).toBeCloseToTensor(expected.gradX, { rtol: 1e-4, atol: 1e-3 });
    if (trainable) expect(gradHead!).toBeCloseToTensor(expected.gradHead, { rtol: 1e-4, atol: 1e-3 });
  });

  test("is right where all logits are equal", async () => {
    const given = {
      x: Tensor.f32([2, 3], [1, 2, 3, 0, 0, 0]),
      head: Tensor.zeros("f32", [5, 3]),
      labels: [4, 1],
    };
    const expected = reference(given);
    const { loss, gradX, gradHead } = await run(given, { ...kind, trainable });
    expect(loss.item()).toBeCloseTo(2 * Math.log(5), 5);
    expect(gradX).toBeCloseToTensor(expected.gradX);
    if (trainable) expect(gradHead!).toBeCloseToTensor(expected.gradHead);
  });

  test("is nothing, and pulls on nothing, where every label is ignored", async () => {
    const given = { ...randomCase(9), labels: Array<number>(9).fill(ignoreIndex) };
    const { loss, gradX, gradHead } = await run(given, { ...kind, trainable });
    expect(loss.item()).toBe(0);
    expect(gradX).toBeCloseToTensor(new Float32Array(gradX.size), { atol: 1e-30 });
    if (trainable) expect(gradHead!).toBeCloseToTensor(new Float32Array(gradHead!.size), { atol: 1e-30 });
  });
});

test.each([4, 8] as const)(
  "a head of %i bits, in parts, gives what its numbers give to the 8 bits of its inputs",
  async (bits) => {
    const given = randomCase(40, { vocab: 8209, hidden: 32, scale: 0.5 });
    const known = { ...given, head: dequantize(quantize(given.head, bits)) };
    const expected = reference(known);
    const { loss, gradX } = await run({ ...given, head: known.head }, { loop: false, bits });
    expect(loss.item() / expected.loss).toBeCloseTo(1, 3);
    expect(gradX).toBeCloseToTensor(expected.gradX, { atol: 1e-2 });
  },
);
