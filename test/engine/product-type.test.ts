import { expect, test } from "vitest";
import { fasterBy, fasterProductType } from "../../src/engine/product-type.js";
import type { ProductType } from "../../src/engine/stored.js";
import { describeOnWebgpu } from "../webgpu-driver.js";

/** A device on which a run takes `start` ms and each of its products so many more; what was timed is written down. */
function device(start: number, each: Record<ProductType, number>) {
  const timed: string[] = [];
  const time = async (products: number, dtype: ProductType) => {
    timed.push(`${products} ${dtype}`);
    return start + products * each[dtype];
  };
  return { timed, time };
}

test.each([
  ["f16", { f16: 20, f32: 40 }, 1],
  ["f32", { f16: 35, f32: 40 }, 1],
  ["f16", { f16: 2, f32: 4 }, 8],
  ["f16", { f16: 0.01, f32: 0.2 }, 64],
  ["f32", { f16: 0.01, f32: 0.012 }, 64],
] as const)("%s is chosen of %j ms a product, by %i products", async (expected, each, products) => {
  const { timed, time } = device(1, each);
  expect(await fasterBy(time)).toBe(expected);
  expect(timed.at(-1)).toBe(`${products} f32`);
});

test("a device without half precision multiplies in f32, and is not measured", async () => {
  const { timed, time } = device(1, { f16: 1, f32: 1 });
  const without = (products: number, dtype: ProductType) =>
    dtype === "f16" ? Promise.reject(new Error("requires f16")) : time(products, dtype);
  expect(await fasterBy(without)).toBe("f32");
  expect(timed).toEqual([]);
  expect(await fasterProductType("cpu")).toBe("f32");
});

describeOnWebgpu("on the WebGPU provider", () => {
  test("it is measured once", { timeout: 120_000 }, async () => {
    const first = fasterProductType("webgpu");
    expect(fasterProductType("webgpu")).toBe(first);
    expect(["f32", "f16"]).toContain(await first);
  });
});
