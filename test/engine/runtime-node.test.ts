import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test } from "vitest";
import {
  compile,
  FrozenWeights,
  gelu,
  linear,
  mean,
  mul,
  Parameter,
  Tensor,
  valueAndGrad,
} from "../../src/engine/index.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Megabytes of the process once everything that can be freed is. */
async function settledMemory(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage().rss / 2 ** 20;
}

test("a thousand training steps leave the memory of the process as it was", async () => {
  const size = 128;
  const frozen = await FrozenWeights.create();
  await frozen.add("w", Tensor.f32([size, size], new Float32Array(size * size).fill(0.01)));
  const w = Object.assign(new Parameter("f32", [size, size]), { name: "w" });
  const a = Object.assign(new Parameter("f32", [size, size]), { name: "a", trainable: true });
  const step = await compile(
    valueAndGrad(({ x }) => {
      const y = linear(gelu(linear(x, w)), a);
      return mean(mul(y, y));
    }),
    { inputs: { x: { dtype: "f32", shape: [8, size] } }, frozen, threads: 1 },
  );
  let params = { a: Tensor.f32([size, size], new Float32Array(size * size).fill(0.02)) };
  const train = async (steps: number) => {
    for (let i = 0; i < steps; i++) {
      const x = Tensor.f32([8, size], new Float32Array(8 * size).fill(i % 7));
      const { value, grads } = await step.run({ x, params });
      const next = params.a.f32.map((v, j) => v - 0.1 * grads.a!.f32[j]!);
      for (const tensor of [x, value, grads.a!, params.a]) tensor.dispose();
      params = { a: Tensor.f32([size, size], next) };
    }
    return settledMemory();
  };
  const before = await train(200);
  // A gradient that is not freed is 64 kB a step: 64 MB.
  expect((await train(1000)) - before).toBeLessThan(32);
  await step.release();
  await frozen.dispose();
});

test("a hundred sessions that were released leave nothing behind", async () => {
  const cycle = async (times: number) => {
    for (let i = 0; i < times; i++) {
      const frozen = await FrozenWeights.create();
      await frozen.add("w", Tensor.f32([2 ** 18], new Float32Array(2 ** 18).fill(i)));
      const w = Object.assign(new Parameter("f32", [2 ** 18]), { name: "w" });
      const f = await compile(({ x }) => ({ y: mul(w, x) }), {
        inputs: { x: { dtype: "f32", shape: [] } },
        frozen,
        threads: 1,
      });
      (await f.run({ x: Tensor.scalar(2) })).y.dispose();
      await f.release();
      await frozen.dispose();
    }
    return settledMemory();
  };
  const before = await cycle(100);
  // A weight that is not freed is 1 MB a session: 100 MB.
  expect((await cycle(100)) - before).toBeLessThan(40);
});

test("a profile is written to files that begin with the given path", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tptt-profile-"));
  const f = await compile(({ x }) => ({ y: mul(x, x) }), {
    inputs: { x: { dtype: "f32", shape: [2] } },
    profile: join(folder, "step"),
  });
  await f.run({ x: Tensor.f32([2], [1, 2]) });
  await f.release();
  expect(readdirSync(folder).map((name) => name.slice(0, 4))).toEqual(["step"]);
  rmSync(folder, { recursive: true });
});

test("folders of weights that killed processes left are removed by the next", async () => {
  const program = `
    import { FrozenWeights } from ${JSON.stringify(fileURLToPath(new URL("../../src/engine/index.ts", import.meta.url)))};
    await FrozenWeights.create();
    console.log("made");
    setInterval(() => {}, 1000);`;
  const temporary = mkdtempSync(join(tmpdir(), "tptt-test-"));
  onTestFinished(() => rmSync(temporary, { recursive: true }));
  const start = async () => {
    const child = spawn(
      process.execPath,
      ["--conditions=source", "--import", "tsx", "--input-type=module", "--eval", program],
      { env: { ...process.env, TMPDIR: temporary }, stdio: ["ignore", "pipe", "inherit"] },
    );
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    await once(child.stdout, "data");
    return child;
  };
  const folders = () => readdirSync(temporary).filter((name) => name.startsWith("tptt-weights-"));
  const stranger = join(temporary, "tptt-weights-another%20host-1-1-abcdef");
  mkdirSync(stranger);
  const [first, second] = [await start(), await start()];
  expect(folders()).toHaveLength(3);
  first.kill("SIGKILL");
  await once(first, "close");
  await start();
  expect(folders().filter((name) => name.includes(`-${first.pid}-`))).toEqual([]);
  expect(folders().filter((name) => name.includes(`-${second.pid}-`))).toHaveLength(1);
  expect(folders()).toHaveLength(3);
});
