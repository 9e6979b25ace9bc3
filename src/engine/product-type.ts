import { compile } from "./compile.js";
import type { Device } from "./device.js";
import { FrozenWeights } from "./frozen-weights.js";
import { div, linear, sum } from "./ops/index.js";
import type { ProductType } from "./stored.js";
import { Tensor } from "./tensor.js";
import { Parameter, type Value } from "./value.js";

/** Rows and channels of the products that are timed: a block of tokens, and a layer of a model of 1 to 3 billion weights. */
const [rows, channels] = [512, 2048];
/** How many times as fast half precision must be to be worth its rounding. */
const worthwhile = 1.2;
/** Products that take at least so many milliseconds are timed, not what it takes to start them. */
const telling = 20;

const known = new Map<Device, Promise<ProductType>>();

/** The type in which a device multiplies faster: measured, once in a process. The processor's is f32. */
export function fasterProductType(device: Device): Promise<ProductType> {
  if (device === "cpu") return Promise.resolve("f32");
  const found = known.get(device) ?? fasterBy((products, dtype) => timeOf(products, dtype, device));
  known.set(device, found);
  return found;
}

/** The faster type. @param time takes the milliseconds of so many products, one after the other; fails where it cannot. */
export async function fasterBy(
  time: (products: number, dtype: ProductType) => Promise<number>,
): Promise<ProductType> {
  let faster: ProductType = "f32";
  for (const products of [1, 8, 64]) {
    // A device that does not know half precision says so here.
    const half = await time(products, "f16").catch(() => undefined);
    if (half === undefined) return "f32";
    const whole = await time(products, "f32");
    faster = whole > worthwhile * half ? "f16" : "f32";
    if (whole > telling) break;
  }
  return faster;
}

/** Milliseconds of so many products one after the other: the least of three runs after a first one. */
async function timeOf(products: number, dtype: ProductType, device: Device): Promise<number> {
  const numbers = (count: number) =>
    Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 101) / 50 - 1);
  const frozen = await FrozenWeights.create(dtype);
  try {
    await frozen.add("w", Tensor.f32([channels, channels], numbers(channels ** 2)));
    const w = Object.assign(new Parameter("f32", [channels, channels]), { name: "w" });
    const inputs = { x: Tensor.f32([rows, channels], numbers(rows * channels)) };
    const chain = ({ x }: { readonly x: Value }) => {
      let y = x;
      // Kept from growing by what it is divided by.
      for (let i = 0; i < products; i++) y = div(linear(y, w), Math.sqrt(channels));
      return { sum: sum(y) };
    };
    const graph = await compile(chain, { inputs, frozen, device });
    try {
      const times: number[] = [];
      for (let run = 0; run < 4; run++) {
        const start = performance.now();
        await graph.run(inputs);
        times.push(performance.now() - start);
      }
      return Math.min(...times.slice(1));
    } finally {
      await graph.release();
    }
  } finally {
    await frozen.dispose();
  }
}
