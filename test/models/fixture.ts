import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { type FrozenWeights, Tensor, type TypeInfo } from "../../src/engine/index.js";
import { openSafetensorsFile } from "../../src/io/safetensors.js";
import { type Checkpoint, openCheckpoint } from "../../src/models/checkpoint.js";

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
  const file = await openSafetensorsFile(`${fixtureFolder(name)}/expected.safetensors`);
  const expected = new Map<string, Tensor>();
  for (const tensor of file.tensors.keys()) expected.set(tensor, await file.read(tensor));
  await file.close();
  const checkpoint = await openCheckpoint(fixtureFolder(name));
  const frozen = await checkpoint.load();
  await checkpoint.close();
  return { checkpoint, frozen, expected };
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
