import { expect, test } from "vitest";
import { compile, Tensor, transpose } from "../../../src/engine/index.js";

/** The nodes that a permutation of an array is made of, and the array's elements in their new order. */
async function turned(shape: readonly number[], perm: readonly number[]) {
  const x = Tensor.f32(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i),
  );
  const graph = await compile(({ x }) => [transpose(x, perm)], { inputs: { x: { dtype: "f32", shape } } });
  const [y] = (await graph.run({ x })) as [Tensor];
  await graph.release();
  return { nodes: graph.nodeCount, y };
}

test.each([
  { perm: [1, 0, 2, 3], from: ([a, b, c, d]: readonly number[]) => [b, a, c, d] },
  { perm: [2, 0, 1, 3], from: ([a, b, c, d]: readonly number[]) => [b, c, a, d] },
])("long rows of a large array move whole: $perm", async ({ perm, from }) => {
  const shape = [4, 64, 32, 128];
  const { nodes, y } = await turned(shape, perm);
  expect(nodes).toBe(3); // Its rows are gathered.
  let wrong = 0;
  const index = [0, 0, 0, 0];
  for (const value of y.f32) {
    const source = from(index) as number[];
    if (value !== source.reduce((flat, i, axis) => flat * shape[axis]! + i, 0)) wrong++;
    for (let axis = 3; axis >= 0 && ++index[axis]! === y.shape[axis]; axis--) index[axis] = 0;
  }
  expect(wrong).toBe(0);
});

test("short rows, and small arrays, are transposed", async () => {
  expect((await turned([64, 512, 32], [1, 0, 2])).nodes).toBe(1);
  expect((await turned([4, 8, 128], [1, 0, 2])).nodes).toBe(1);
  expect((await turned([1024, 1024], [1, 0])).nodes).toBe(1);
});
