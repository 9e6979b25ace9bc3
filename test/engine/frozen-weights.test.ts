import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  compile,
  dequantize,
  FrozenWeights,
  fromF32,
  matmul,
  mul,
  Parameter,
  quantize,
  Tensor,
} from "../../src/engine/index.js";

const folderOf = (weights: FrozenWeights): string =>
  (weights.storage as unknown as { folder: string }).folder;
const parameter = (name: string, ...shape: number[]): Parameter =>
  Object.assign(new Parameter("f32", shape), { name });

test("weights of any floating type are stored as f32 and read back", async () => {
  const frozen = await FrozenWeights.create();
  const values = Tensor.f32([2, 3], [0.5, -1, 2, 3.25, 0, 1024]);
  // At once: each has a place of its own.
  await Promise.all([
    frozen.add("f32", values),
    frozen.add("f16", fromF32(values, "f16")),
    frozen.add("bf16", fromF32(values, "bf16")),
    frozen.add("one", Tensor.scalar(7)),
  ]);
  for (const name of ["f32", "f16", "bf16"]) {
    const tensor = await frozen.read(name);
    expect(tensor.dtype).toBe("f32");
    expect(tensor.shape).toEqual([2, 3]);
    expect([...tensor.f32]).toEqual([...values.f32]);
  }
  expect((await frozen.read("one")).item()).toBe(7);
  await frozen.dispose();
});

test("a weight that comes in pieces is stored as one, as f32 or in blocks", async () => {
  const frozen = await FrozenWeights.create();
  const values = Float32Array.from({ length: 6 * 64 }, (_, i) => Math.sin(i));
  const rows = (start: number, end: number) =>
    Tensor.f32([end - start, 64], values.subarray(start * 64, end * 64));
  async function* pieces() {
    for (const [start, end] of [
      [0, 2],
      [2, 5],
      [5, 6],
    ] as const)
      yield rows(start, end);
  }
  async function* blocks() {
    for await (const piece of pieces()) yield quantize(piece, 4);
  }
  // At once: no piece may land in another's place.
  await Promise.all([
    frozen.addRows("plain", [6, 64], pieces()),
    frozen.addQuantizedRows("blocks", [6, 64], blocks()),
    frozen.add("one", Tensor.scalar(7)),
  ]);
  expect((await frozen.read("plain")).f32).toEqual(values);
  expect((await frozen.read("blocks")).f32).toEqual(dequantize(quantize(rows(0, 6), 4)).f32);
  expect((await frozen.read("one")).item()).toBe(7);
  await expect(frozen.addQuantizedRows("empty", [0, 64], [])).rejects.toThrow("empty has no rows");
  await frozen.dispose();
});

test("a name that is taken, and one that is not there, are told", async () => {
  const frozen = await FrozenWeights.create();
  await frozen.add("a", Tensor.scalar(1));
  await expect(frozen.add("a", Tensor.scalar(2))).rejects.toThrow("FrozenWeights: a is there already");
  expect([frozen.has("a"), frozen.has("b")]).toEqual([true, false]);
  await expect(frozen.read("b")).rejects.toThrow("FrozenWeights: no weight b was stored");
  await frozen.dispose();
});

test("a part of a larger buffer is stored as that part", async () => {
  const frozen = await FrozenWeights.create();
  const buffer = Float32Array.of(1, 2, 3, 4, 5);
  await frozen.add("middle", new Tensor("f32", [2], buffer.subarray(1, 3)));
  expect([...(await frozen.read("middle")).f32]).toEqual([2, 3]);
  await frozen.dispose();
});

/** Kilobytes of this process that no file backs. */
const anonymousMemory = (): number =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]);

test.runIf(existsSync("/proc/self/status"))("sessions share one copy of the weights", async () => {
  const [inner, outer] = [2048, 4096];
  const frozen = await FrozenWeights.create();
  await frozen.add("w", Tensor.f32([inner, outer], new Float32Array(inner * outer).fill(1)));
  const w = parameter("w", inner, outer);
  const before = anonymousMemory();
  const sessions = await Promise.all(
    [1, 2, 3].map((factor) =>
      compile(({ x }) => ({ y: matmul(mul(x, factor), w) }), {
        inputs: { x: { dtype: "f32", shape: [3, inner] } },
        frozen,
        threads: 1,
      }),
    ),
  );
  const x = Tensor.f32([3, inner], new Float32Array(3 * inner).fill(1));
  for (const [i, session] of sessions.entries()) {
    const { y } = await session.run({ x });
    expect(y.f32[0]).toBe(inner * (i + 1));
  }
  // Three copies would be 96 MB.
  expect((anonymousMemory() - before) / 1024).toBeLessThan(16);
  for (const session of sessions) await session.release();
  await frozen.dispose();
});

test("dispose deletes the files, and may be called again", async () => {
  const frozen = await FrozenWeights.create();
  await frozen.add("w", Tensor.scalar(3));
  expect(existsSync(folderOf(frozen))).toBe(true);
  await frozen.dispose();
  expect(existsSync(folderOf(frozen))).toBe(false);
  await frozen.dispose();
});
