import { expect, test } from "vitest";
import { type DType, Tensor } from "../../src/engine/index.js";
import { bytesPerElement, isFloat } from "../../src/engine/tensor.js";

test("a tensor has the size and bytes of its shape and dtype", () => {
  const sizes: Record<DType, number> = {
    f32: 4,
    f64: 8,
    f16: 2,
    bf16: 2,
    int32: 4,
    int64: 8,
    uint8: 1,
    int8: 1,
    bool: 1,
  };
  for (const [dtype, bytes] of Object.entries(sizes) as [DType, number][]) {
    const tensor = Tensor.zeros(dtype, [2, 3]);
    expect(bytesPerElement(dtype)).toBe(bytes);
    expect([tensor.size, tensor.byteLength, tensor.data.byteLength]).toEqual([6, 6 * bytes, 6 * bytes]);
    expect(isFloat(dtype)).toBe(/^b?f\d/.test(dtype));
  }
  expect(Tensor.zeros("f32", []).size).toBe(1);
  expect(Tensor.zeros("f32", [3, 0]).size).toBe(0);
});

test("data that does not fill the shape is refused", () => {
  expect(() => Tensor.f32([2, 3], [1, 2])).toThrow("Tensor: shape [2,3] needs 6 elements, the data has 2");
  expect(() => Tensor.f32([3], [1, 2, 3]).reshape([2])).toThrow(RangeError);
});

test("reading a tensor as another type, or many elements as one, is refused", () => {
  const ids = Tensor.int64([2], [1, -2]);
  expect([...ids.data]).toEqual([1n, -2n]);
  expect(() => ids.f32).toThrow("Tensor: expected f32, got int64; convert it first");
  expect(() => ids.item()).toThrow("Tensor.item: expected 1 element, got shape [2]");
  expect(Tensor.int64([1, 1], [7]).item()).toBe(7);
});

test("reshape shares the data, clone does not, and neither does the shape of the caller", () => {
  const shape = [2, 2];
  const tensor = Tensor.f32(shape, [1, 2, 3, 4]);
  shape[0] = 9;
  expect(tensor.shape).toEqual([2, 2]);
  const [flat, copy] = [tensor.reshape([4]), tensor.clone()];
  tensor.f32[0] = 9;
  expect([flat.f32[0], copy.f32[0]]).toEqual([9, 1]);
});

test("a tensor that was disposed can not be read, and can be disposed again", () => {
  const tensor = Tensor.scalar(1);
  tensor.dispose();
  tensor.dispose();
  expect(() => tensor.data).toThrow("Tensor []: used after dispose()");
  expect(() => tensor.clone()).toThrow("used after dispose");
});
