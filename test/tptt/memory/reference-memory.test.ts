import { describe, expect, test } from "vitest";
import type { Gate, Trick } from "../../../src/tptt/config/operator-config.js";
import { relativeDifference } from "../../tensors.js";
import { LayerStream } from "./layer-stream.js";
import { operatorResults, runOperatorCase } from "./operator-cases.js";
import { operatorCases, operatorShape, operatorTensor, operatorTensors } from "./operator-fixture.js";
import type { Matrix } from "./reference.js";
import { expectClose, tensorOf } from "./run.js";

describe("output, last memory and gradients are those of tptt 0.12", () => {
  test.each(operatorCases.map((one, i) => [i, one] as const))("case %i: %j", async (i, one) => {
    const results = await runOperatorCase(one, operatorShape, operatorTensors);
    for (const name of operatorResults) {
      // Python's own float32 is sometimes further than 1e-5 from its float64, where a memory nearly cancels.
      const allowed = Math.max(1e-5, 2 * one.rounding[name]!);
      expect(relativeDifference(results[name], operatorTensor(`${i}.${name}`)), name).toBeLessThan(allowed);
    }
  });
});

const cached = [...operatorTensors.keys()].filter((name) => /^cached\.\d/.test(name));

describe("a prompt and single tokens after it give what Python's cached decoding gives", () => {
  test.each(cached)("%s", async (name) => {
    const [order, alphaGate, betaGate, trick] = name.slice("cached.".length).split(" ") as [
      string,
      Gate,
      Gate,
      Trick,
    ];
    const stream = streamOf({ order: Number(order), alphaGate, betaGate, trick });
    const rows = [{ q: rowsOf("cached.q"), k: rowsOf("cached.k"), v: rowsOf("cached.v") }];
    const outputs: Matrix[] = [];
    for (const width of [5, 1, 1, 1]) {
      const [output] = await stream.run(rows, { counts: [width], width, side: "right" });
      outputs.push(output!);
    }
    await stream.release();
    expectClose(tensorOf(outputs.flat()), rowsOf(name), 1e-5);
  });
});

test("nothing of earlier calls is known but the tokens that the trick looks back on: Python never reads its memory", async () => {
  const stream = streamOf({ order: 1, alphaGate: "k", betaGate: "k", trick: "dt" });
  const rows = [{ q: rowsOf("cached.q"), k: rowsOf("cached.k"), v: rowsOf("cached.v") }];
  const only = rows.map(({ q, k, v }) => ({ q: q.slice(5), k: k.slice(5), v: v.slice(5) }));
  await stream.run(rows, { counts: [5], width: 5, side: "right" });
  const one = { counts: [1], width: 1, side: "right" } as const;
  const after = await stream.run(rows, one);
  stream.reset();
  expect(await stream.run(only, one)).toEqual(after);
  expect(stream.state).toEqual({});
  await stream.release();
});

function streamOf(operator: { order: number; alphaGate: Gate; betaGate: Gate; trick: Trick }): LayerStream {
  const { heads, groups, dim } = operatorShape;
  const recurrentConfig = { ...operator, linear: true };
  const shape = {
    numHeads: heads,
    numKeyValueHeads: groups,
    headDim: dim,
    recurrentConfig,
    maxChunkSize: 64,
  };
  return new LayerStream(shape, 1, { operatorForm: "tptt-0.12" });
}

/** The rows of the one sequence of a fixture tensor. */
function rowsOf(name: string): Matrix {
  const { shape, f32 } = operatorTensor(name);
  const [, length, features] = shape as [number, number, number];
  return Array.from({ length }, (_, t) => [...f32.subarray(t * features, (t + 1) * features)]);
}
