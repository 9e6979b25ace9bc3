import { expect, onTestFinished, test, vi } from "vitest";
import { Tensor } from "../../../src/engine/index.js";
import { describe as describeTensor } from "../../../src/tptt/compat/describe.js";
import python from "../../fixtures/tptt/modules.json" with { type: "json" };
import { tensorOf } from "../memory/run.js";

/** What is printed. */
function printed(print: () => void): string[] {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  onTestFinished(() => log.mockRestore());
  print();
  return log.mock.calls.map(([line]) => line as string);
}

test("a tensor is described in Python's line, but for the dtype's name", () => {
  const lines = printed(() => {
    for (const size of [1, 1e-5, 123_456]) {
      const x = (python.x as number[][][])[0]!.map((row) => row.map((x) => 3 * x * size));
      describeTensor(tensorOf(x), "x");
    }
  });
  expect(lines.map((line) => line.replace("f32", "torch.float32"))).toEqual(python.describe);
});

test("scalars, lists and what is not a number have a line too", () => {
  const lines = printed(() => {
    describeTensor(Tensor.int64([3], [9, 10, 2000]));
    describeTensor(Tensor.f32([2], [Number.NEGATIVE_INFINITY, 1]));
    describeTensor(Tensor.scalar(0));
  });
  expect(lines).toEqual([
    "tensor shape: (3,), min: 9, max: 2000, mean: 673, std: 1149, dtype: int64, device: cpu",
    "tensor shape: (2,), min: -inf, max: 1, mean: -inf, std: nan, dtype: f32, device: cpu",
    "tensor shape: (), min: 0, max: 0, mean: 0, std: nan, dtype: f32, device: cpu",
  ]);
});
