import { expect, test } from "vitest";
import {
  add,
  cast,
  compile,
  grad,
  gradients,
  matmul,
  mul,
  Parameter,
  reshape,
  scalar,
  scan,
  slice,
  sum,
  Tensor,
  tanh,
  type Value,
  valueAndGrad,
  vjp,
  vjpAt,
} from "../../src/engine/index.js";
import { evaluate, normal } from "./evaluate.js";

function weight(name: string, ...shape: number[]): Parameter {
  const parameter = new Parameter("f32", shape);
  parameter.name = name;
  parameter.trainable = true;
  return parameter;
}

test("valueAndGrad gives the loss, its other outputs, and gradients by parameter name", async () => {
  const [a, b] = [weight("a", 3), weight("b")];
  const frozen = new Parameter("f32", [3]);
  const { value, grads, doubled } = await evaluate(
    ({ x }) => {
      const y = mul(mul(x, a), b);
      return valueAndGrad(() => ({ value: sum(y), doubled: mul(y, 2) }))(undefined);
    },
    { x: Tensor.f32([3], [1, 2, 3]) },
    { a: Tensor.f32([3], [1, 1, 2]), b: Tensor.scalar(5) },
  );
  expect(value.item()).toBe(45);
  expect([...doubled.f32]).toEqual([10, 20, 60]);
  expect(Object.keys(grads)).toEqual(["a", "b"]);
  expect([...grads.a!.f32]).toEqual([5, 10, 15]);
  expect(grads.b!.item()).toBe(9);
  expect(grads.b!.shape).toEqual([]);
  expect(Object.keys(grad(() => sum(mul(a, frozen)))(undefined))).toEqual(["a"]);
});

test("a loss that is not a scalar is refused", () => {
  expect(() => valueAndGrad(() => weight("a", 2, 3))(undefined)).toThrow(
    "valueAndGrad: expected a scalar loss, got [2,3]",
  );
});

test("a value that the result does not depend on has a gradient of zeros", async () => {
  const [dx, dy, dz] = await evaluate(
    // Nothing flows through an integer, nor through a comparison.
    ({ x, y, z }) => gradients(sum(add(x, cast(cast(y, "int64"), "f64"))), [x, y, z]),
    { x: normal([3]), y: normal([3]), z: normal([2, 2]) },
  );
  expect([...dx!.data]).toEqual([1, 1, 1]);
  expect([...dy!.data]).toEqual([0, 0, 0]);
  expect([...dz!.data]).toEqual([0, 0, 0, 0]);
});

test("gradients of several uses add up, and are summed where a value was broadcast", async () => {
  const [x, y] = [normal([3]), normal([2, 3])];
  const numbers = ({ data }: Tensor) => data as Float64Array;
  const [dx] = await evaluate(({ x, y }) => gradients(add(sum(mul(x, y)), sum(mul(x, x))), [x]), {
    x,
    y,
  });
  const want = Array.from(numbers(x), (v, i) => numbers(y)[i]! + numbers(y)[i + 3]! + 2 * v);
  expect(dx!).toBeCloseToTensor(want, { rtol: 1e-12 });
});

test("a value in the middle of the graph has a gradient, and may be an output itself", async () => {
  const { value, inner } = await evaluate(
    ({ x }) => {
      const middle = mul(x, 3);
      const [own, through] = vjp([middle, sum(mul(middle, middle))], [middle, sum(x)], [middle, x]);
      return { value: own!, inner: through! };
    },
    { x: Tensor.f32([2], [1, 2]) },
  );
  // middle = [3, 6] with weight middle, and middle^2 with weight sum(x) = 3: middle + 2 * 3 * middle, times 3 for x.
  expect([...value.f32]).toEqual([21, 42]);
  expect([...inner.f32]).toEqual([63, 126]);
});

test("vjpAt differentiates a function alone, not what its inputs depend on", async () => {
  const found = await evaluate(
    ({ x }) => {
      // At b = a^2, a b has the partial derivatives b and a; a third input is not used.
      const [a, b, none] = vjpAt(([a, b]) => [mul(a!, b!)], [x, mul(x, x), x], [scalar(1)]);
      expect(none).toBeUndefined();
      return [a!, b!];
    },
    { x: Tensor.f32([], [3]) },
  );
  expect(found.map((tensor) => tensor.item())).toEqual([9, 3]);
});

test("a gradient can be differentiated again", async () => {
  const { second } = await evaluate(
    ({ x }) => {
      const [first] = gradients(sum(mul(x, mul(x, x))), [x]);
      return { second: gradients(sum(first!), [x])[0]! };
    },
    { x: Tensor.f32([3], [1, -2, 3]) },
  );
  expect([...second.f32]).toEqual([6, -12, 18]);
});

test.each([false, true])(
  "a scan of 30 steps has the gradient of its unrolled loop (reverse: %s)",
  async (reverse) => {
    const steps = 30;
    const tensors = { s: normal([3, 4]), rows: normal([steps, 3, 4]), w: normal([4, 4]), b: normal([4]) };
    type Inputs = Record<keyof typeof tensors, Value>;
    const cell = (s: Value, row: Value, { w, b }: Inputs) => tanh(add(add(mul(matmul(s, w), 0.4), row), b));
    const scanned = (x: Inputs) => {
      const { carry, rows, before } = scan({
        carry: [x.s],
        rows: [x.rows],
        reverse,
        body([s], [row]) {
          const next = cell(s!, row!, x);
          return { carry: [next], rows: [mul(next, row!)] };
        },
      });
      return add(add(sum(carry[0]!), sum(rows[0]!)), sum(mul(before[0]!, before[0]!)));
    };
    const unrolled = (x: Inputs) => {
      let state = x.s;
      let loss: Value | undefined;
      for (let i = 0; i < steps; i++) {
        const t = reverse ? steps - 1 - i : i;
        const row = reshape(slice(x.rows, 0, t, t + 1), [3, 4]);
        const next = cell(state, row, x);
        const term = add(sum(mul(next, row)), sum(mul(state, state)));
        loss = loss ? add(loss, term) : term;
        state = next;
      }
      return add(loss!, sum(state));
    };
    const both = await evaluate((x) => {
      const inputs = Object.values(x);
      const [a, b] = [scanned(x), unrolled(x)];
      return { scanned: [a, ...gradients(a, inputs)], unrolled: [b, ...gradients(b, inputs)] };
    }, tensors);
    for (const [i, got] of both.scanned.entries())
      expect(got).toBeCloseToTensor(both.unrolled[i]!, { rtol: 1e-10, atol: 1e-12 });
  },
);

test("a parameter without data is named when the step runs", async () => {
  const step = await compile(({ x }) => grad(() => sum(tanh(mul(x, weight("gate", 2)))))(undefined), {
    inputs: { x: { dtype: "f32", shape: [2] } },
  });
  const x = Tensor.f32([2], [1, 2]);
  await expect(step.run({ x })).rejects.toThrow("run: expected a tensor for the parameter gate, got none");
  await expect(step.run({ x, params: { gate: Tensor.f32([1, 2], [1, 2]) } })).rejects.toThrow(
    "run: gate is f32 [1,2], the graph expects f32 [2]",
  );
  await step.release();
});
