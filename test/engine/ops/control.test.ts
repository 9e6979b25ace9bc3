import { expect, test } from "vitest";
import {
  add,
  checkpoint,
  customGradient,
  dropout,
  gather,
  gradients,
  input,
  matmul,
  mul,
  parameter,
  scan,
  sub,
  sum,
  Tensor,
  tanh,
  type Value,
  valueAndGrad,
} from "../../../src/engine/index.js";
import { evaluate, normal } from "../evaluate.js";
import { executed } from "../executed.js";

/** Two layers tanh(h W), each computed again in the backward pass or not. */
function twoLayers(x: Value, w: Value, again: boolean): Value {
  const layer = (h: Value) => tanh(matmul(h, w));
  const step = (h: Value) => (again ? checkpoint(([h]) => layer(tanh(h!)), [h]) : layer(tanh(h)));
  const y = step(step(x));
  return sum(mul(y, y));
}

test("a checkpoint changes neither the loss nor the gradients", async () => {
  const both = await evaluate(
    ({ x, w }) =>
      [false, true].map((again) => {
        const loss = twoLayers(x, w, again);
        return [loss, ...gradients(loss, [x, w])];
      }),
    { x: normal([5, 3]), w: normal([3, 3]) },
  );
  for (const [i, kept] of both[0]!.entries()) expect(both[1]![i]!).toBeCloseToTensor(kept, { rtol: 1e-12 });
});

test("checkpoints can be nested, and stand in a scan", async () => {
  const both = await evaluate(
    ({ x, rows, w }) =>
      [false, true].map((again) => {
        const wrap = (fn: (h: Value) => Value, h: Value) =>
          again ? checkpoint(([v]) => fn(v!), [h]) : fn(h);
        const cell = (h: Value) => wrap((u) => tanh(matmul(wrap(tanh, u), w)), h);
        const { carry } = scan({
          carry: [x],
          rows: [rows],
          body: ([h], [row]) => ({ carry: [cell(add(h!, row!))], rows: [] }),
        });
        const loss = sum(cell(carry[0]!));
        return [loss, ...gradients(loss, [x, rows, w])];
      }),
    { x: normal([2, 3]), rows: normal([7, 2, 3]), w: normal([3, 3]) },
  );
  for (const [i, kept] of both[0]!.entries()) expect(both[1]![i]!).toBeCloseToTensor(kept, { rtol: 1e-12 });
});

test("what a checkpoint drops is really computed a second time", async () => {
  const count = async (again: boolean) => {
    const tensors = { x: normal([5, 3]), w: normal([3, 3]) };
    // Only the weight has a gradient: the first layer is computed again all the same.
    const grads = ({ x, w }: { x: Value; w: Value }) => ({ grads: gradients(twoLayers(x, w, again), [w]) });
    const kernels = await executed(grads, { inputs: tensors }, tensors);
    return kernels.filter(({ op }) => op === "Tanh").length;
  };
  expect(await count(false)).toBe(4);
  expect(await count(true)).toBe(8);
});

test.each([false, true])(
  "a checkpoint keeps products with weights that are no larger than what they are made of (read by a rule: %s)",
  async (ruled) => {
    const parameters = { wide: parameter(3, 7), narrow: parameter(7, 3) };
    for (const [name, weight] of Object.entries(parameters)) Object.assign(weight, { name, trainable: true });
    const ownRule = (y: Value, x: Value) => customGradient(y, [x], (g) => [mul(g, sub(1, mul(y, y)))]);
    const layer = (h: Value) => {
      const product = matmul(tanh(matmul(h, parameters.wide)), parameters.narrow);
      return ruled ? ownRule(tanh(product), product) : tanh(product);
    };
    const step = (again: boolean) =>
      valueAndGrad(({ x }: { x: Value }) => {
        const y = [1, 2].reduce((h) => (again ? checkpoint(([h]) => layer(h!), [h]) : layer(h)), x);
        return sum(mul(y, y));
      });
    const f32 = (...shape: number[]) => Tensor.f32(shape, normal(shape).data as Float64Array);
    const x = f32(5, 3);
    const params = { wide: f32(3, 7), narrow: f32(7, 3) };

    const kernels = await executed(step(true), { inputs: { x } }, { x, params });
    const count = (name: string) => kernels.filter(({ op }) => op === name).length;
    // Gradients have FusedMatMul.
    expect(count("MatMul")).toBe(4 + 2);
    expect(count("Tanh")).toBe(4 + 4);
    const [plain, again] = [
      await evaluate(step(false), { x }, params),
      await evaluate(step(true), { x }, params),
    ];
    expect(again.value.item()).toBe(plain.value.item());
    for (const name of ["wide", "narrow"])
      expect(again.grads[name]!).toBeCloseToTensor(plain.grads[name]!, { rtol: 1e-6 });
  },
);

test("the mask of a dropout whose seed is an input of the checkpoint is the same when it is computed again", async () => {
  const seed = Tensor.int64([], [7]);
  const both = await evaluate(
    ({ x, seed }) =>
      [false, true].map((again) => {
        const fn = ([h, s]: readonly Value[]) => tanh(dropout(tanh(h!), 0.5, s!));
        const y = again ? checkpoint(fn, [x, seed]) : fn([x, seed]);
        return [y, gradients(sum(mul(y, y)), [x])[0]!];
      }),
    { x: normal([30, 7]), seed },
  );
  expect(both[1]![0]!).toBeCloseToTensor(both[0]![0]!);
  expect(both[1]![1]!).toBeCloseToTensor(both[0]![1]!);
});

test("a scan reads integer rows, and values from outside without a gradient", async () => {
  const rows = Tensor.int64([5], [2, 0, 1, 1, 2]);
  const table = normal([3, 2]);
  const { last, d } = await evaluate(
    ({ table, rows }) => {
      const { carry } = scan({
        carry: [sum(table, [0])],
        rows: [rows],
        body: ([s], [i]) => ({ carry: [add(mul(s!, 0.5), gather(table, i!))], rows: [] }),
      });
      return { last: carry[0]!, d: gradients(sum(carry[0]!), [table])[0]! };
    },
    { table, rows },
  );
  const t = Array.from(table.data, Number);
  const want = [0, 1].map((c) => {
    let s = t[c]! + t[2 + c]! + t[4 + c]!;
    for (const i of [2, 0, 1, 1, 2]) s = s * 0.5 + t[2 * i + c]!;
    return s;
  });
  expect(last).toBeCloseToTensor(want, { rtol: 1e-12 });
  const start = 0.5 ** 5;
  const perRow = [start + 0.5 ** 3, start + 0.5 ** 2 + 0.5, start + 0.5 ** 4 + 1];
  expect(d).toBeCloseToTensor(perRow.flatMap((g) => [g, g]));
});

test("a scan whose carry changes its shape, or whose rows differ in number, is refused", () => {
  const loop = (carry: number[], ...rows: number[][]) =>
    scan({
      carry: [input("f32", carry)],
      rows: rows.map((shape) => input("f32", shape)),
      body: (_, row) => ({ carry: [row[0]!], rows: [] }),
    });
  expect(() => loop([2], [4, 3])).toThrow("scan: got f32 [2], f32 [3]; expected a carry of constant shape");
  expect(() => loop([3], [4, 3], [5, 3])).toThrow("expected row inputs with 4 rows");
});

test("a custom gradient takes the place of the computed one, and is told what is needed", async () => {
  const { d, y } = await evaluate(
    ({ x }) => {
      const y = customGradient(mul(x, x), [x, sum(x)], (g, needs) => {
        expect(needs).toEqual([true, true]);
        return [mul(g, 100), undefined];
      });
      return { y, d: gradients(sum(y), [x])[0]! };
    },
    { x: Tensor.f32([2], [3, 4]) },
  );
  expect([...y.f32]).toEqual([9, 16]);
  expect([...d.f32]).toEqual([100, 100]);
});
