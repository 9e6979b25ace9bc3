import { expect, test } from "vitest";
import { add, constant, input, mul, Parameter, sum, Tensor, type Value } from "../../src/engine/index.js";
import { close, nodesOf, substitute } from "../../src/engine/value.js";
import { evaluate } from "./evaluate.js";

const scalarInput = (): Value => input("f32", []);

test("nodes come with inputs before users, each once", () => {
  const [x, y] = [scalarInput(), scalarInput()];
  const product = mul(x, y);
  const nodes = nodesOf([add(product, product), x]).map((node) => node.op.name);
  expect(nodes).toEqual(["input", "input", "mul", "add"]);
  expect(nodesOf([product], product.node.id)).toEqual([product.node]);
});

test("substitution rebuilds what depends on a replaced value and shares the rest", async () => {
  const [x, y] = [scalarInput(), scalarInput()];
  const kept = mul(y, 2);
  const value = add(mul(x, x), kept);
  const [replaced, same] = substitute([value, kept], new Map([[x, add(y, 1)]]));
  expect(same).toBe(kept);
  expect(value).not.toBe(replaced);
  const { result } = await evaluate(
    ({ given }) => ({ result: substitute([replaced!], new Map([[y, given]]))[0]! }),
    { given: Tensor.scalar(3) },
  );
  expect(result.item()).toBe(16 + 6);
});

test("closing a function captures what it reads from outside, but no constants", () => {
  const [x, outer, placeholder] = [scalarInput(), scalarInput(), scalarInput()];
  const weight = new Parameter("f32", []);
  const before = mul(outer, 2);
  const { body, captured } = close(
    [placeholder],
    [add(mul(placeholder, before), constant(Tensor.scalar(3))), mul(placeholder, weight), x],
  );
  expect(captured).toHaveLength(3);
  expect(new Set(captured)).toEqual(new Set([before, weight, x]));
  expect(body.placeholders).toHaveLength(4);
  const leaves = nodesOf(body.outputs)
    .filter((node) => node.op.name === "input")
    .map((node) => node.outputs[0]!);
  expect(new Set(leaves)).toEqual(new Set(body.placeholders));
});

test("what is computed inside a function without its placeholders is read from outside", () => {
  const outer = input("f32", [3]);
  const placeholder = scalarInput();
  const total = sum(outer);
  const { captured } = close([placeholder], [mul(placeholder, total)]);
  expect(captured).toEqual([total]);
});
