import { expect, test } from "vitest";
import {
  add,
  concat,
  constant,
  expand,
  flip,
  gather,
  gelu,
  input,
  logicalAnd,
  matmul,
  reshape,
  rmsNorm,
  rotary,
  slice,
  split,
  sum,
  Tensor,
  takeAlong,
  transpose,
  type Value,
  where,
} from "../../src/engine/index.js";

const f32 = (...shape: number[]): Value => input("f32", shape);
const int64 = (...shape: number[]): Value => input("int64", shape);

test.each<[string, () => unknown]>([
  ["add: got f32 [3], f32 [2]; expected shapes that broadcast", () => add(f32(3), f32(2))],
  ["add: got f32 [3], int64 [3]; expected one dtype; cast first", () => add(f32(3), int64(3))],
  [
    "where: got f32 [3], f32 [3], f32 [3]; expected a bool condition first",
    () => where(f32(3), f32(3), f32(3)),
  ],
  ["logicalAnd: got f32 [3], f32 [3]; expected bool", () => logicalAnd(f32(3), f32(3))],
  [
    "matmul: got f32 [2,3], f32 [2,3]; expected [.., m, k] x [.., k, n] (transA false, transB false)",
    () => matmul(f32(2, 3), f32(2, 3)),
  ],
  ["matmul: got f32 [3], f32 [3,2]", () => matmul(f32(3), f32(3, 2))],
  ["reshape: got f32 [2,3]; expected 4 elements for [4]", () => reshape(f32(2, 3), [4])],
  ["reshape: got f32 [2,3]; expected 6 elements for [1.5,4]", () => reshape(f32(2, 3), [-1, 4])],
  [
    "transpose: got f32 [2,3]; expected a permutation of its axes, not [0,0]",
    () => transpose(f32(2, 3), [0, 0]),
  ],
  [
    "transpose: got f32 [2,3]; expected a permutation of its axes, not [0,2]",
    () => transpose(f32(2, 3), [0, 2]),
  ],
  ["split: got f32 [5]; expected sizes that add up, not [2,2]", () => split(f32(5), 0, [2, 2])],
  ["slice: got f32 [5]; expected 0 <= 3 < 6 <= 5", () => slice(f32(5), 0, 3, 6)],
  [
    "concat: got f32 [2,3], f32 [3,3]; expected equal shapes but for axis 1",
    () => concat([f32(2, 3), f32(3, 3)], 1),
  ],
  ["expand: got f32 [2], f32 [2,3]; expected shapes that broadcast", () => expand(f32(2), [2, 3])],
  ["expand: got f32 [2,3]; expected a shape that broadcasts to [3]", () => expand(f32(2, 3), [3])],
  ["flip: axis 2 is out of range for rank 2", () => flip(f32(2, 3), 2)],
  ["sum: axis -3 is out of range for rank 2", () => sum(f32(2, 3), [-3])],
  ["gather: got f32 [5], f32 [2]; expected int64 indices", () => gather(f32(5), f32(2))],
  [
    "takeAlong: got f32 [5,2], int64 [2]; expected int64 indices of the same rank",
    () => takeAlong(f32(5, 2), int64(2), 0),
  ],
  [
    "rmsNorm: got f32 [2,3], f32 [2]; expected a weight as long as the last axis",
    () => rmsNorm(f32(2, 3), f32(2), 1e-6),
  ],
  ["gelu: got f32 []; expected at least one axis", () => gelu(f32())],
  [
    "rotary: got f32 [1,2,5,4], f32 [4,2], f32 [4,2], int64 [1,5]; expected x [B, H, S, D], cos and sin [R >= S, D/2]",
    () => rotary(f32(1, 2, 5, 4), f32(4, 2), f32(4, 2), int64(1, 5)),
  ],
  ["rotary: got", () => rotary(f32(1, 2, 3, 5), f32(4, 2), f32(4, 2), int64(1, 3))],
])("%s", (message, apply) => {
  expect(apply).toThrow(message);
});

test("numbers take the dtype of the other operand", () => {
  expect(add(int64(3), 1).dtype).toBe("int64");
  expect(add(1, constant(new Tensor("f64", [], Float64Array.of(2)))).dtype).toBe("f64");
});
