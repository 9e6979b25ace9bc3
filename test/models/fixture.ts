import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { type FrozenWeights, Tensor, type TypeInfo } from "../../src/engine/index.js";
import { type Checkpoint, openCheckpoint } from "../../src/models/checkpoint.js";
import { readTensors } from "../tensors.js";

/** The folder of a tiny random model of interop/make-fixtures.py. */
export const fixtureFolder = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/models/${name}`, import.meta.url));

/** A tiny model, its weights, and what transformers and PEFT computed with it. */
export interface Fixture {
  readonly checkpoint: Checkpoint;
  readonly frozen: FrozenWeights;
  readonly expected: ReadonlyMap<string, Tensor>;
}

export async function openFixture(name: string): Promise<Fixture> {
  const expected = await readExpected(fixtureFolder(name));
  const checkpoint = await openCheckpoint(fixtureFolder(name));
  const frozen = await checkpoint.load();
  await checkpoint.close();
  return { checkpoint, frozen, expected };
}

/** What transformers, PEFT and the Python package computed with the tiny model in a folder. */
export const readExpected = (folder: string): Promise<ReadonlyMap<string, Tensor>> =>
  readTensors(`${folder}/expected.safetensors`);

/** The LoRA matrices among what is expected, by their names in the plain model. */
export function adaptersOf(expected: ReadonlyMap<string, Tensor>): Record<string, Tensor> {
  return Object.fromEntries([...expected].filter(([key]) => /^(?!\w*grad\.).*\.lora_/.test(key)));
}

/** LoRA as the fixtures have it, over the layers that have adapters there. */
export function loraOf(expected: ReadonlyMap<string, Tensor>) {
  const layers = Object.keys(adaptersOf(expected)).map((key) => key.split(".lora_")[0]!);
  return { r: 4, loraAlpha: 8, targetModules: [...new Set(layers.map((path) => path.split(".").at(-1)!))] };
}

/** The type of a tensor, for the inputs of compile. */
export const typeOf = ({ dtype, shape }: Tensor): TypeInfo => ({ dtype, shape });

/** A bool tensor of what is not zero. */
export const toBool = ({ shape, data }: Tensor): Tensor =>
  new Tensor(
    "bool",
    shape,
    Uint8Array.from(Array.from(data, Number), (x) => Number(x !== 0)),
  );

/** An empty folder that is removed when the running test ends. */
export async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tptt-test-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}
