import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tensor } from "../../src/engine/index.js";
import { barePath } from "../../src/tptt/config/lora-targets.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../src/tptt/tptt-model.js";
import { loraOf, readExpected } from "../models/fixture.js";
import { largestDifference, relativeDifference } from "../tensors.js";

/** Largest differences between two ways of computing the same. */
export type Differences = Readonly<Record<string, number>>;

/** A titan of the model with the adapters that the fixture holds. */
async function openWithAdapters(
  folder: string,
  expected: ReadonlyMap<string, Tensor>,
  options: FromPretrainedOptions,
) {
  const model = await TpttModel.fromPretrained(folder, { ...options, loraConfig: loraOf(expected) });
  model.params = Object.fromEntries(model.trainable.map(({ name }) => [name, expected.get(barePath(name))!]));
  return model;
}

const largest = (numbers: Iterable<number>): number => Math.max(0, ...numbers);

/** Logits, and the gradients of the adapters, of the plain model with LoRA and of the titan in Python's form. */
export async function compareWithPython(folder: string): Promise<Differences> {
  const expected = await readExpected(folder);
  const get = (key: string): Tensor => expected.get(key)!;
  const inputs = { inputIds: get("input_ids"), labels: get("labels") };
  const model = await openWithAdapters(folder, expected, {
    operatorForm: "tptt-0.12",
    operatorMode: "gated_delta_product",
    magWeight: 0.5,
  });
  const compare = async (prefix: string, grad: string): Promise<Differences> => {
    const { logits } = await model.forward(inputs);
    const { lossSum, targets, grads } = await model.lossAndGrad(inputs);
    const gradients = model.trainable.map(({ name }) => {
      const { shape, f32 } = grads[name]!;
      const mean = Tensor.f32(
        shape,
        f32.map((x) => x / targets),
      );
      return relativeDifference(mean, get(`${grad}.${barePath(name)}`));
    });
    return {
      [`${prefix}_logits`]: largestDifference(logits, get(`${prefix}_logits`)),
      [`${prefix}_loss`]: Math.abs(lossSum / targets - get(`${prefix}_loss`).item()),
      [`${prefix}_gradients`]: largest(gradients),
    };
  };
  try {
    const titan = expected.has("titan_logits") ? await compare("titan", "titan_grad") : {};
    model.disableLinearAttn = true;
    const lora = await compare("lora", "grad");
    const { params } = model;
    const b = model.trainable.filter(({ name }) => name.includes("lora_B"));
    model.params = {
      ...params,
      ...Object.fromEntries(b.map(({ name, shape }) => [name, Tensor.zeros("f32", shape)])),
    };
    const { logits } = await model.forward(inputs);
    return { logits: largestDifference(logits, get("logits")), ...lora, ...titan };
  } finally {
    await model.dispose();
  }
}

/**
 * A titan in the exact form: decoding in pieces against one pass, where the model can be read in pieces, and the output
 * after saving and loading against that before.
 */
export async function compareWithItself(folder: string): Promise<Differences> {
  const expected = await readExpected(folder);
  const inputIds = expected.get("input_ids")!;
  const work = await mkdtemp(join(tmpdir(), "tptt-backbone-"));
  const model = await openWithAdapters(folder, expected, {
    operatorMode: "gated_delta_product",
    magWeight: 0.5,
  });
  try {
    const { logits } = await model.forward({ inputIds });
    const decoding = model.base.causal ? { decoding: await decodeInPieces(model, inputIds, logits) } : {};
    await model.savePretrained(join(work, "titan"));
    const loaded = await TpttModel.fromPretrained(join(work, "titan"));
    try {
      const again = await loaded.forward({ inputIds });
      return { ...decoding, loaded: largestDifference(again.logits, logits) };
    } finally {
      await loaded.dispose();
    }
  } finally {
    await model.dispose();
    await rm(work, { recursive: true, force: true });
  }
}

/** Largest difference of the logits at the end of each piece from those of one pass. */
async function decodeInPieces(model: TpttModel, inputIds: Tensor, logits: Tensor): Promise<number> {
  const [batch, length, vocab] = logits.shape as [number, number, number];
  const ids = Array.from({ length: batch }, (_, row) =>
    Array.from(inputIds.data.subarray(row * length, (row + 1) * length) as BigInt64Array, Number),
  );
  const decoder = model.decoder(batch);
  const differences: number[] = [];
  for (const [from, to] of [
    [0, 7],
    [7, 8],
    [8, 9],
    [9, length],
  ] as const) {
    const read = await decoder.read(ids.map((row) => row.slice(from, to)));
    for (const [row, found] of read.entries()) {
      const at = (row * length + to - 1) * vocab;
      const whole = Tensor.f32([vocab], logits.f32.slice(at, at + vocab));
      differences.push(largestDifference(Tensor.f32([vocab], found!), whole));
    }
  }
  return largest(differences);
}
