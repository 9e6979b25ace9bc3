import { expect, test } from "vitest";
import { add, div, mul, sub, sum, Tensor, type Value, valueAndGrad } from "../../src/engine/index.js";
import { MixtureOfExperts } from "../../src/nn/mixture-of-experts.js";
import { Module } from "../../src/nn/module.js";
import { Random } from "../../src/random.js";
import { evaluate } from "../engine/evaluate.js";

const hiddenSize = 3;

class Expert extends Module {
  readonly forward: (x: Value) => Value;

  constructor(forward: (x: Value) => Value) {
    super();
    this.forward = forward;
  }
}

/** Expert e adds e to the token, then squares it. */
const curved = (e: number) => (x: Value) => mul(add(x, e), add(x, e));

function mixture(experts: readonly ((x: Value) => Value)[], expertsPerToken: number, normalize = false) {
  const moe = new MixtureOfExperts({
    hiddenSize,
    expertsPerToken,
    normalize,
    experts: experts.map((forward) => new Expert(forward)),
  });
  moe.gate.weight.name = "gate";
  moe.gate.weight.trainable = true;
  return moe;
}

/** Numbers in -1 .. 1. */
function uniform(shape: [number, number], name: string): Tensor {
  const random = Random.for(5, name, ...shape);
  return Tensor.f32(
    shape,
    Array.from({ length: shape[0] * shape[1] }, () => 2 * random.uniform() - 1),
  );
}

const rows = ({ shape, f32 }: Tensor) =>
  Array.from({ length: shape[0]! }, (_, i) => [...f32.subarray(i * shape[1]!, (i + 1) * shape[1]!)]);

/** The whole in plain arithmetic, expert e of {@link curved}. */
function plain(x: number[][], gate: number[][], expertsPerToken: number, normalize: boolean): number[] {
  return x.flatMap((token) => {
    const scores = gate.map((row) => Math.exp(row.reduce((sum, w, i) => sum + w * token[i]!, 0)));
    const total = scores.reduce((a, b) => a + b);
    const chosen = scores
      .map((score, e) => ({ e, weight: score / total }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, expertsPerToken);
    const kept = normalize ? chosen.reduce((sum, { weight }) => sum + weight, 0) : 1;
    return token.map((v) => chosen.reduce((sum, { e, weight }) => sum + (weight / kept) * (v + e) ** 2, 0));
  });
}

// Tiles of 16 tokens and fewer, of which the last is not full; 12 experts for 100 tokens: several tiles for the popular.
test.each([
  [1, 4, 2, false],
  [7, 4, 1, true],
  [37, 4, 2, false],
  [37, 2, 2, true],
  [100, 12, 1, false],
])(
  "%i tokens, %i experts, %i for each, normalised %s: as in plain arithmetic",
  async (n, experts, k, normalize) => {
    const moe = mixture(
      Array.from({ length: experts }, (_, e) => curved(e)),
      k,
      normalize,
    );
    const [x, gate] = [uniform([n, hiddenSize], "x"), uniform([experts, hiddenSize], "gate")];
    const { y } = await evaluate(({ x }) => ({ y: moe.forward(x) }), { x }, { gate });
    expect(y.shape).toEqual(x.shape);
    expect(y).toBeCloseToTensor(plain(rows(x), rows(gate), k, normalize), { rtol: 1e-5, atol: 1e-5 });
  },
);

test("all tokens may want the same expert, and none is dropped", async () => {
  const moe = mixture([curved(0), curved(1), curved(2), curved(3), curved(4), curved(5)], 1);
  const x = Tensor.f32([50, hiddenSize], uniform([50, hiddenSize], "x").f32.map(Math.abs));
  const gate = Tensor.f32([6, hiddenSize], [...Array(15).fill(-9), 9, 9, 9]);
  const { y } = await evaluate(({ x }) => ({ y: moe.forward(x) }), { x }, { gate });
  expect(y).toBeCloseToTensor(plain(rows(x), rows(gate), 1, false), { rtol: 1e-5, atol: 1e-5 });
});

test("the gradient of the router is that of central differences", async () => {
  const moe = mixture([curved(0), curved(1), curved(2)], 2, true);
  const [x, gate] = [uniform([23, hiddenSize], "x"), uniform([3, hiddenSize], "gate")];
  const loss = ({ x }: { x: Value }) => sum(moe.forward(x));
  const { grads } = await evaluate(valueAndGrad(loss), { x }, { gate });
  const at = (i: number, by: number) => {
    const moved = Tensor.f32(gate.shape, gate.f32.with(i, gate.f32[i]! + by));
    return plain(rows(x), rows(moved), 2, true).reduce((a, b) => a + b);
  };
  const differences = [...gate.f32].map((_, i) => (at(i, 1e-3) - at(i, -1e-3)) / 2e-3);
  expect(grads.gate!).toBeCloseToTensor(differences, { rtol: 1e-3, atol: 1e-3 });
});

test("an expert that no token wants is not run", async () => {
  const broken = (x: Value) => div(x, sub(x, x));
  const x = Tensor.f32([2, hiddenSize], [1, 2, 3, 4, 5, 6]);
  const run = (gate: number[]) => {
    const moe = mixture([curved(1), broken], 1);
    return evaluate(({ x }) => ({ y: moe.forward(x) }), { x }, { gate: Tensor.f32([2, hiddenSize], gate) });
  };
  const { y } = await run([20, 20, 20, -20, -20, -20]);
  expect(y).toBeCloseToTensor([4, 9, 16, 25, 36, 49]);
  expect((await run([-20, -20, -20, 20, 20, 20])).y.f32.every((v) => v === Number.POSITIVE_INFINITY)).toBe(
    true,
  );
});
