import { expect, test } from "vitest";
import { compile, constant, Tensor, type Value } from "../../src/engine/index.js";
import { ForwardContext } from "../../src/nn/forward-context.js";
import { RotaryEmbedding } from "../../src/nn/rotary.js";
import { Random } from "../../src/random.js";

const [batch, heads, length, dim] = [2, 3, 5, 8];
const random = new Random(1);
const x = Tensor.f32(
  [batch, heads, length, dim],
  Array.from({ length: batch * heads * length * dim }, () => random.normal()),
);

async function turn(rope: RotaryEmbedding, context: ForwardContext): Promise<Float32Array> {
  const run = await compile(({ x }: { x: Value }) => ({ y: rope.forward(x, context) }), {
    inputs: { x: { dtype: "f32", shape: x.shape } },
    threads: 1,
  });
  const { y } = await run.run({ x });
  await run.release();
  return y.f32;
}

test("channels i and i + D/2 turn by position * theta^(-2i/D)", async () => {
  const y = await turn(new RotaryEmbedding(dim, 100), new ForwardContext({ batch, length }));
  const expected = x.f32.map((value, flat) => {
    const [position, channel] = [Math.floor(flat / dim) % length, flat % dim];
    const i = channel % (dim / 2);
    const angle = position * 100 ** ((-2 * i) / dim);
    const [other, sign] = channel < dim / 2 ? [flat + dim / 2, -1] : [flat - dim / 2, 1];
    return value * Math.cos(angle) + sign * x.f32[other]! * Math.sin(angle);
  });
  expect(y).toBeCloseToTensor(expected);
});

test("positions that are known only at run time turn alike", async () => {
  const rope = new RotaryEmbedding(dim, 100);
  const mask = constant(new Tensor("bool", [batch, length], new Uint8Array(batch * length).fill(1)));
  const fixed = await turn(rope, new ForwardContext({ batch, length }));
  expect(await turn(rope, new ForwardContext({ batch, length, mask }))).toBeCloseToTensor(fixed);
});

test("linear scaling divides positions, llama3 scaling only those of long waves", () => {
  const plain = new RotaryEmbedding(64, 5e5).frequencies;
  const linear = new RotaryEmbedding(64, 5e5, { type: "linear", factor: 4 }).frequencies;
  expect(linear).toEqual(plain.map((f) => f / 4));
  const llama3 = new RotaryEmbedding(64, 5e5, {
    type: "llama3",
    factor: 8,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalMaxPositionEmbeddings: 8192,
  }).frequencies;
  const ratios = llama3.map((f, i) => plain[i]! / f);
  expect(ratios[0]).toBe(1);
  expect(ratios.at(-1)).toBeCloseTo(8);
  expect(ratios).toEqual(ratios.toSorted((a, b) => a - b));
});
