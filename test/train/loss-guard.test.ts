import { expect, test } from "vitest";
import { LossGuard } from "../../src/train/loss-guard.js";

const problem = (guard: LossGuard, loss: number, gradNorm = 1) => guard.problem({ loss, gradNorm });

test("what is not a number is bad, the loss or the gradient", () => {
  const guard = new LossGuard(10);
  expect(problem(guard, Number.NaN)).toBe("is NaN");
  expect(problem(guard, Number.POSITIVE_INFINITY)).toBe("is Infinity");
  expect(problem(guard, 2, Number.NaN)).toBe("is 2, but its gradient's norm is NaN");
});

test("a loss far above the mean of the last twenty has exploded; the first may be anything", () => {
  const guard = new LossGuard(10);
  expect(problem(guard, 1000)).toBeUndefined();
  for (let i = 0; i < 5; i++) guard.take(100);
  for (let i = 0; i < 20; i++) guard.take(i % 2 ? 1 : 3);
  expect(guard.recent).toHaveLength(20);
  expect(problem(guard, 12)).toBeUndefined();
  expect(problem(guard, 12.01)).toBe("is 12.01, more than 10 above 2, the mean of the last steps");
  expect(problem(new LossGuard(0, guard.recent), 1000)).toBeUndefined();
  expect(problem(new LossGuard(10, guard.recent), 12.01)).toBe(problem(guard, 12.01));
});
