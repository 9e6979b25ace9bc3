import { expect, test } from "vitest";
import { halfToNumber, numberToBfloat16, numberToHalf } from "../../src/engine/half.js";
import { cast, fromF32, Tensor, toF32 } from "../../src/engine/index.js";
import { Random } from "../../src/random.js";
import { evaluate } from "./evaluate.js";

const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
const isNaNHalf = (h: number) => (h & 0x7fff) > 0x7c00;

test("every half becomes the number that ONNX Runtime casts it to, and comes back", async () => {
  const tensor = new Tensor("f16", [65536], all);
  const { numbers } = await evaluate(({ x }) => ({ numbers: cast(x, "f32") }), { x: tensor });
  const ours = toF32(tensor).f32;
  for (const h of all) {
    if (!Object.is(ours[h], numbers.f32[h])) expect.fail(`half ${h}: ${ours[h]}, expected ${numbers.f32[h]}`);
    const back = numberToHalf(halfToNumber(h));
    if (isNaNHalf(h) ? !isNaNHalf(back) : back !== h) expect.fail(`half ${h} came back as ${back}`);
  }
});

test("every bfloat16 comes back", () => {
  const back = fromF32(toF32(new Tensor("bf16", [65536], all)), "bf16").data;
  for (const h of all) {
    const nan = (h & 0x7fff) > 0x7f80;
    if (nan ? (Number(back[h]) & 0x7fff) <= 0x7f80 : back[h] !== h) expect.fail(`bfloat16 ${h}: ${back[h]}`);
  }
});

test("numbers round to the half that ONNX Runtime rounds them to", async () => {
  const random = new Random(5);
  // Random bits reach every exponent; the middles between two halves are where ties are.
  const bits = Uint32Array.from({ length: 20_000 }, () => random.uint32());
  const middles = Array.from({ length: 0x7bff }, (_, h) => (halfToNumber(h) + halfToNumber(h + 1)) / 2);
  const edges = [65504, 65519.996, 65520, 65536, 1e9, 2 ** -24, 2 ** -25, 2 ** -25 * 1.001, 2 ** -14, 0, -0];
  const values = Float32Array.from([...new Float32Array(bits.buffer), ...middles, ...edges]);
  const x = new Tensor("f32", [values.length], values);
  const { halves } = await evaluate(({ x }) => ({ halves: cast(x, "f16") }), { x });
  for (const [i, value] of values.entries()) {
    const [got, want] = [numberToHalf(value), Number(halves.data[i])];
    if (isNaNHalf(want) ? !isNaNHalf(got) : got !== want) expect.fail(`${value}: ${got}, expected ${want}`);
  }
});

test("ties go to the even neighbour", () => {
  for (let h = 0; h < 0x7bff; h++) {
    const middle = (halfToNumber(h) + halfToNumber(h + 1)) / 2;
    if (numberToHalf(middle) !== h + (h % 2)) expect.fail(`${middle}: ${numberToHalf(middle)}`);
  }
  // bfloat16 keeps 8 bits: 1 + 2^-8 lies between 1 and 1 + 2^-7, 1 + 3 * 2^-8 between 1 + 2^-7 and 1 + 2^-6.
  expect(numberToBfloat16(1 + 2 ** -8)).toBe(0x3f80);
  expect(numberToBfloat16(1 + 3 * 2 ** -8)).toBe(0x3f82);
  expect(numberToBfloat16(1 + 2 ** -8 + 2 ** -20)).toBe(0x3f81);
});

test("conversions keep infinities, overflow to them, and refuse integers", () => {
  const wide = Tensor.f32([3], [Number.POSITIVE_INFINITY, -1e6, Number.NaN]);
  expect([...toF32(fromF32(wide, "f16")).f32]).toEqual([
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
  ]);
  expect([...toF32(fromF32(Tensor.f32([1], [3.4028235e38]), "bf16")).f32]).toEqual([
    Number.POSITIVE_INFINITY,
  ]);
  expect([...toF32(new Tensor("f64", [1], Float64Array.of(0.1))).f32]).toEqual([Math.fround(0.1)]);
  expect(() => toF32(Tensor.int64([1], [1]))).toThrow("toF32: expected a floating tensor, got int64");
});
