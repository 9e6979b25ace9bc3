import { expect, test } from "vitest";
import {
  add,
  estimateBytes,
  exp,
  mul,
  reshape,
  scan,
  sum,
  type TypeInfo,
  valueAndGrad,
} from "../../src/engine/index.js";

const x: TypeInfo = { dtype: "f32", shape: [10, 10] };
const one = 400; // bytes of one such value

test("a value lives from the node that makes it to the last that reads it", () => {
  expect(estimateBytes(({ x }) => exp(exp(exp(x))), { x })).toBe(2 * one);
  expect(
    estimateBytes(
      ({ x }) => {
        const a = exp(x);
        return add(exp(exp(a)), a);
      },
      { x },
    ),
  ).toBe(3 * one);
});

test("inputs and reshaped values take no room", () => {
  expect(estimateBytes(({ x }) => reshape(exp(reshape(x, [100])), [5, 20]), { x })).toBe(one);
});

test("a loop takes what its body takes, once", () => {
  const body = (_: unknown, [row]: readonly Parameters<typeof exp>[0][]) => ({
    carry: [],
    rows: [exp(exp(exp(row!)))],
  });
  expect(estimateBytes(({ x }) => scan({ carry: [], rows: [x], body }).rows[0]!, { x })).toBe(
    one + 2 * (one / 10),
  );
});

test("what a gradient reads is kept", () => {
  const loss = ({ x }: { x: Parameters<typeof exp>[0] }) => sum(exp(mul(x, x)));
  const forward = estimateBytes(loss, { x });
  expect(
    estimateBytes((inputs: { x: Parameters<typeof exp>[0] }) => valueAndGrad(loss)(inputs).value, { x }),
  ).toBe(forward);
});
