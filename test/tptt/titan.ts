import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Params, Tensor } from "../../src/engine/index.js";
import { Random } from "../../src/random.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { fixtureFolder, temporaryFolder } from "../models/fixture.js";

/** Size of the tiny models' vocabulary. */
export const vocabSize = 96;

/** A titan over a tiny random model, disposed of when the running test ends. */
export async function openTitan(name: string, options: FromPretrainedOptions = {}): Promise<TpttModel> {
  const model = await TpttModel.fromPretrained(fixtureFolder(name), options);
  onTestFinished(() => model.dispose());
  return model;
}

/** A tiny model that knows more positions. */
export async function longTitan(
  name: string,
  positions: number,
  options: FromPretrainedOptions,
): Promise<TpttModel> {
  const folder = await temporaryFolder();
  await cp(fixtureFolder(name), folder, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  await writeFile(
    join(folder, "config.json"),
    JSON.stringify({ ...config, max_position_embeddings: positions }),
  );
  const model = await TpttModel.fromPretrained(folder, options);
  onTestFinished(() => model.dispose());
  return model;
}

/** Gives every trained weight random numbers, so that LoRA's B is not 0. */
export function randomizeParams(model: TpttModel, seed = 0, std = 0.1): void {
  model.params = Object.fromEntries(
    model.trainable.map(({ name, shape, size }) => {
      const random = Random.for(seed, name);
      return [
        name,
        Tensor.f32(
          shape,
          Array.from({ length: size }, () => std * random.normal()),
        ),
      ];
    }),
  );
}

/** Random token ids. */
export function randomIds(length: number, seed = 0): number[] {
  const random = Random.for(seed, "ids");
  return Array.from({ length }, () => random.below(vocabSize));
}

/** One batch of rows of equal length. */
export const rows = (ids: readonly (readonly number[])[]): Tensor =>
  Tensor.int64([ids.length, ids[0]!.length], ids.flat());

/** How far two lists of numbers are apart, as a share of the second's length. */
export function apart(got: Float32Array, expected: Float32Array): number {
  const norm = (values: Float32Array) => Math.hypot(...values);
  return norm(got.map((value, i) => value - expected[i]!)) / norm(expected);
}

/** All numbers of tensors, in the order of their names. */
export const flat = (tensors: Params): Float32Array =>
  Float32Array.from(
    Object.keys(tensors)
      .sort()
      .flatMap((name) => [...tensors[name]!.f32]),
  );

/** How far logits are apart from those of whole texts, [B, S, vocab], when all but 9 tokens are read one by one. */
export async function decodedApart(
  model: TpttModel,
  texts: readonly (readonly number[])[],
  logits: Tensor,
): Promise<number[]> {
  const length = texts[0]!.length;
  const decoder = model.decoder(texts.length);
  await decoder.read(texts.map((ids) => ids.slice(0, 9)));
  const distances: number[] = [];
  for (let t = 9; t < length; t++) {
    for (const [row, values] of (await decoder.read(texts.map((ids) => [ids[t]!]))).entries()) {
      const start = (row * length + t) * vocabSize;
      distances.push(apart(values!, logits.f32.subarray(start, start + vocabSize)));
    }
  }
  return distances;
}
