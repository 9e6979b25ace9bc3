import { describe, expect, test } from "vitest";
import { concat, reshape, slice, type Value } from "../../../src/engine/index.js";
import { InputError } from "../../../src/errors.js";
import {
  constructCausalForwardSolver,
  getValidChunkSize,
  sequentialDeltaProductScan,
} from "../../../src/tptt/memory/delta-product-scan.js";
import { LinearAttentionOp } from "../../../src/tptt/memory/linear-attention-op.js";
import { relativeDifference } from "../../tensors.js";
import { operatorTensor } from "./operator-fixture.js";
import { evaluate } from "./run.js";

const inputs = Object.fromEntries(
  (["q", "k", "v", "alpha", "beta", "initial"] as const).map((name) => [
    name,
    operatorTensor(`parts.${name}`),
  ]),
);
const chunk = 3;

test.each([
  [127, 64, 1],
  [100, 64, 50],
  [64, 64, 64],
  [96, 64, 48],
  [7, 64, 7],
  [12, 1, 1],
  [0, 64, 1],
])("a sequence of %i tokens in chunks of at most %i has chunks of %i", (length, most, size) => {
  expect(getValidChunkSize(length, most)).toBe(size);
});

test("the solver is Python's", async () => {
  const { y } = await evaluate(({ tri }) => ({ y: constructCausalForwardSolver(tri) }), {
    tri: operatorTensor("parts.tri"),
  });
  expect(relativeDifference(y, operatorTensor("parts.solved"))).toBeLessThan(1e-5);
});

describe.each(["linear", "gelu"] as const)("a %s memory with an initial state", (kind) => {
  const linear = kind === "linear";
  const check = async (fn: (x: Record<string, Value>) => { output: Value; state: Value }, name: string) => {
    const { output, state } = await evaluate(fn, inputs);
    expect(relativeDifference(output, operatorTensor(`parts.${name}.${kind}.output`))).toBeLessThan(1e-5);
    expect(relativeDifference(state, operatorTensor(`parts.${name}.${kind}.state`))).toBeLessThan(1e-5);
  };

  test("gives what chunk_delta_product_forward gives", async () => {
    await check(
      ({ q, k, v, alpha, beta, initial }) =>
        LinearAttentionOp.chunkDeltaProductForward(
          { q: q!, k: k!, v: v!, alpha: alpha!, beta: beta! },
          chunk,
          {
            linear,
            initialState: initial!,
          },
        ),
      "chunk",
    );
  });

  test("gives, step by step, what sequential_delta_product_scan gives", async () => {
    await check(({ initial, beta: _, ...x }) => {
      const [q, w, u, alpha] = ["q", "k", "v", "alpha"].map((name) => {
        const [batch, heads, length, ...rest] = x[name]!.shape as [number, number, number, ...number[]];
        return reshape(x[name]!, [batch, heads, length / chunk, chunk, ...rest]);
      });
      return sequentialDeltaProductScan(
        { q: q!, w: w!, u: u!, alpha: alpha! },
        { linear, initialState: initial! },
      );
    }, "scan");
  });
});

test("query heads of a group read the memory that each of them would have", async () => {
  const { shared, repeated } = await evaluate(({ q, k, v, alpha, beta }) => {
    const first = (x: Value) => slice(x, 1, 0, 1);
    const twice = (x: Value) => concat([first(x), first(x)], 1);
    const run = (of: (x: Value) => Value) =>
      LinearAttentionOp.chunkDeltaProductForward(
        { q: q!, k: of(k!), v: of(v!), alpha: of(alpha!), beta: of(beta!) },
        chunk,
      ).output;
    return { shared: run(first), repeated: run(twice) };
  }, inputs);
  expect(relativeDifference(shared, repeated)).toBeLessThan(1e-6);
});

test("an initial state that Python would ignore is refused", async () => {
  const run = evaluate(({ q, k, v, beta, initial }) => {
    const state = reshape(slice(initial!, 2, 0, 1), [1, 2, 3, 3]);
    return LinearAttentionOp.chunkDeltaProductForward({ q: q!, k: k!, v: v!, beta: beta! }, chunk, {
      initialState: state,
    });
  }, inputs);
  await expect(run).rejects.toThrow("initial_state: has the shape [1,2,3,3], expected [1,2,2,3,3]");
  await expect(run).rejects.toBeInstanceOf(InputError);
});
