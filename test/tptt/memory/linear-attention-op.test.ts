import { expect, test } from "vitest";
import { ForwardContext } from "../../../src/nn/forward-context.js";
import { chunkDeltaProductForward } from "../../../src/tptt/memory/delta-product-scan.js";
import { LinearAttentionOp } from "../../../src/tptt/memory/linear-attention-op.js";
import { reference, sample, tensors } from "./delta-rule-samples.js";
import type { Matrix } from "./reference.js";
import { evaluate, expectClose, flatten } from "./run.js";

const inputs = sample({ length: 11, order: 2, alpha: (random) => random.uniform(), initial: false });
const run = (options: ConstructorParameters<typeof LinearAttentionOp>[0]) =>
  evaluate(
    (x) => new LinearAttentionOp(options).forward(x, new ForwardContext({ batch: 2, length: 11 })),
    tensors(inputs),
  );

test.each([true, false])("forward is the delta rule of the loops (linear: %s)", async (linear) => {
  const { output, state } = await run({ maxChunkSize: 4, linear, bidirectional: false });
  const expected = reference(inputs, linear ? undefined : 4);
  expectClose(output, expected.output, 1e-5);
  expectClose(state, expected.state, 1e-5);
});

test("in both directions it is the mean of a pass from the front and one from the back", async () => {
  const { output } = await run({ maxChunkSize: 4, linear: true, bidirectional: true });
  const { q, k, v, alpha, beta } = inputs;
  const back = <T>(rows: readonly (readonly T[])[]) => rows.map((row) => row.toReversed());
  const reversed = { q: back(q), k: back(k), v: back(v), alpha: back(alpha!), beta: back(beta) };
  const front = flatten(reference(inputs).output);
  const fromBack = flatten(back(reference(reversed).output as readonly (readonly Matrix[])[]));
  expectClose(
    output,
    front.map((x, i) => (x + fromBack[i]!) / 2),
    1e-5,
  );
});

test("Python's operator is a static member, as in Python", () => {
  expect(LinearAttentionOp.chunkDeltaProductForward).toBe(chunkDeltaProductForward);
});
