import { test } from "vitest";
import { add, gradients, mul, sigmoid, sum, type Tensor } from "../../../src/engine/index.js";
import { Random } from "../../../src/random.js";
import { deltaRule } from "../../../src/tptt/memory/delta-rule.js";
import { type Problem, reference, type Sample, sample, tensors } from "./delta-rule-samples.js";
import { dot } from "./reference.js";
import {
  centralDifferences,
  draw,
  evaluate,
  expectClose,
  flatten,
  type Nested,
  shapeOf,
  tensorOf,
} from "./run.js";

/** Forget gates are given as what their sigmoid is taken of, as in the layer. */
const sigmoidOf = (x: Nested): Nested => (typeof x === "number" ? 1 / (1 + Math.exp(-x)) : x.map(sigmoidOf));
const logit = (random: Random) => 2 * random.normal();

test.each<[string, number, number | undefined, Problem]>([
  ["several chunks, the last not full", 4, undefined, { length: 10 }],
  ["one chunk", 16, undefined, { length: 5, order: 2, alpha: logit }],
  ["order 2, forget gates", 4, undefined, { length: 10, order: 2, alpha: logit }],
  [
    "forget gates from 1e-6 to 1 in long chunks",
    32,
    undefined,
    { length: 40, alpha: (r) => 5 - 20 * r.uniform() },
  ],
  ["order 3, keys alike", 8, undefined, { length: 17, order: 3, keys: "alike" }],
  ["a non-linear memory", 4, 4, { length: 11 }],
  ["a non-linear memory, order 2, forget gates", 2, 4, { length: 11, order: 2, alpha: logit }],
])("the gradient agrees with central differences: %s", async (_, chunk, period, problem) => {
  const inputs = sample({ batch: 1, heads: 2, groups: 1, dim: 4, ...problem });
  const random = Random.for(0, "weights");
  const expect = (x: Sample) =>
    reference(x.alpha ? { ...x, alpha: sigmoidOf(x.alpha) as typeof x.alpha } : x, period);
  const first = expect(inputs);
  const weights = { output: draw(random, shapeOf(first.output)), state: draw(random, shapeOf(first.state)) };
  const loss = (x: Sample) => {
    const { output, state } = expect(x);
    return dot(flatten(output), flatten(weights.output)) + dot(flatten(state), flatten(weights.state));
  };

  const names = Object.keys(inputs) as (keyof Sample)[];
  const actual = await evaluate(
    ({ x, output, state }) => {
      const result = deltaRule(
        { ...x, alpha: x.alpha && sigmoid(x.alpha) },
        chunk,
        period === undefined ? undefined : { period },
      );
      const total = add(sum(mul(result.output, output)), sum(mul(result.state, state)));
      return gradients(
        total,
        names.map((name) => x[name]),
      );
    },
    { x: tensors(inputs), output: tensorOf(weights.output), state: tensorOf(weights.state) },
  );
  for (const [i, name] of names.entries()) {
    const expected = centralDifferences(inputs[name]!, (changed) => loss({ ...inputs, [name]: changed }));
    expectClose(actual[i] as Tensor, expected, 2e-5, name);
  }
});
