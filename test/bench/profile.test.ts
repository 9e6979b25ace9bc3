import { expect, it } from "vitest";
import { summarize, type TraceEvent } from "../../bench/profile.js";

const kernel = (name: string, op: string, ts: number, dur: number): TraceEvent => ({
  cat: "Node",
  name: `${name}_kernel_time`,
  ts,
  dur,
  args: { op_name: op },
});

it("counts the body of a loop once, and adds kernels up by op and by layer", () => {
  const { seconds, byOp, byLayer, byPart } = summarize("work", [
    [
      { cat: "Session", name: "model_run", ts: 0, dur: 2_000_000 },
      kernel("layers.0/memory#v1", "Scan", 0, 1_000_000),
      kernel("layers.0/memory#v2", "MatMul", 100, 300_000),
      kernel("layers.0/memory#v3", "Add", 300_100, 600_000),
      kernel("layers.1#v4", "MatMul", 1_000_000, 500_000),
    ],
    [kernel("#v5", "Mul", 0, 250_000)],
  ]);
  expect(seconds).toBeCloseTo(1.75);
  const rounded = (shares: typeof byOp) =>
    shares.map((share) => [share.name, share.seconds.toFixed(2), share.count]);
  expect(rounded(byOp)).toEqual([
    ["MatMul", "0.80", 2],
    ["Add", "0.60", 1],
    ["Mul", "0.25", 1],
    ["Scan", "0.10", 1],
  ]);
  expect(rounded(byLayer)).toEqual([
    ["layers.0", "1.00", 3],
    ["layers.1", "0.50", 1],
    ["outside of the layers", "0.25", 1],
  ]);
  expect(rounded(byPart)).toEqual([
    ["memory", "1.00", 3],
    ["projections, norms, LoRA", "0.50", 1],
    ["outside of the layers", "0.25", 1],
  ]);
});
