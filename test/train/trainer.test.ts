import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/engine/index.js";
import { evaluateLoss } from "../../src/evaluate/loss.js";
import { writeManifest } from "../../src/io/manifest.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import type { TpttModel } from "../../src/tptt/tptt-model.js";
import type { TrainingFields } from "../../src/train/arguments.js";
import { latestCheckpoint } from "../../src/train/checkpoint-folder.js";
import type { Trainer } from "../../src/train/trainer.js";
import { temporaryFolder } from "../models/fixture.js";
import { openTitan } from "../tptt/titan.js";
import { counting, fields, metricsOf, type Setup, titan, trainer, weightsOf } from "./setup.js";

test("a model whose tokens see what they are to predict is refused", async () => {
  const model = await openTitan("dream", { loraConfig: { r: 2 } });
  await expect(trainer(model, { callbacks: [] }).train()).rejects.toThrow(
    "is Dream, whose tokens see the one",
  );
});

test.each([
  ["linear", { operatorMode: "delta_rule" }],
  ["non-linear", { operatorMode: "delta_rule_gelu", maxChunkSize: 8 }],
] as const)("a titan with %s memories learns", async (_, options) => {
  const model = await titan(options);
  const loss = async (mu: number) => {
    model.magWeight = mu;
    return (await evaluateLoss(model, counting(12), { batchSize: 4, maxLength: 24 })).loss;
  };
  const before = [await loss(0.5), await loss(1)];
  await trainer(model, { fields: { max_steps: 40, batch_size: 4 } }).train();
  const after = [await loss(0.5), await loss(1)];
  expect(after[0]).toBeLessThan(before[0]! - 0.5);
  expect(after[1]).toBeLessThan(before[1]! - 0.5);
});

test("metrics.jsonl has each step with its mu, and the evaluations", async () => {
  const outputDir = await temporaryFolder();
  const model = await titan();
  const result = await trainer(model, {
    outputDir,
    evalDataset: counting(3, 1),
    fields: { eval_steps: 4 },
  }).train();
  expect(result).toMatchObject({ steps: 6, interrupted: false });
  const metrics = await metricsOf(outputDir);
  expect(
    metrics.map(({ step, mag_weight, eval_loss }) => [step, mag_weight, eval_loss !== undefined]),
  ).toEqual([
    [0, undefined, true],
    [1, 0, false],
    [2, 0.125, false],
    [3, 0.25, false],
    [4, 0.375, false],
    [4, undefined, true],
    [5, 0.5, false],
    [6, 0.5, false],
    [6, undefined, true],
  ]);
  expect(metrics[2]).toEqual({
    step: 2,
    loss: expect.any(Number),
    learning_rate: 0.01 * 0.5 * (1 + Math.cos(Math.PI / 6)),
    grad_norm: expect.any(Number),
    mag_weight: 0.125,
    disable_linear_attn: false,
  });
});

test("mu is 0 in the metrics of a model without memories, and not there where it is learned", async () => {
  const shares = async (options: FromPretrainedOptions) => {
    const outputDir = await temporaryFolder();
    const model = await titan(options);
    await trainer(model, { fields: { max_steps: 1 }, callbacks: [], outputDir }).train();
    return (await metricsOf(outputDir)).map(({ mag_weight }) => mag_weight);
  };
  expect(await shares({ disableLinearAttn: true })).toEqual([0]);
  expect(await shares({ magMode: "dynamic" })).toEqual([undefined]);
});

test("the best evaluation is checkpointed and remembered", async () => {
  const outputDir = await temporaryFolder();
  const saved: number[] = [];
  const evaluated: number[] = [];
  await trainer(await titan(), {
    outputDir,
    evalDataset: counting(3, 1),
    fields: { eval_steps: 1, max_steps: 4, learning_rate: 0.3 },
    observer: {
      onEvaluated: (_, { loss }) => evaluated.push(loss),
      onSaved: (step) => saved.push(step),
    },
  }).train();
  const better = evaluated.flatMap((loss, step) =>
    step > 0 && loss < Math.min(...evaluated.slice(0, step)) ? [step] : [],
  );
  expect(saved).toEqual(better);
  expect(saved.length).toBeLessThan(4);
  const state = JSON.parse(
    await readFile(join(outputDir, `checkpoint-${saved.at(-1)}`, "trainer_state.json"), "utf8"),
  );
  expect(state.best).toEqual({ loss: Math.min(...evaluated), step: saved.at(-1) });
});

describe("a run that was killed and resumed ends as one in one piece", () => {
  test.each([
    ["plainly", {}, {}],
    [
      "with dropout and gradient checkpointing",
      { loraConfig: { r: 4, loraDropout: 0.2 } },
      { gradient_checkpointing: true },
    ],
    ["with accumulation", {}, { gradient_accumulation_steps: 3 }],
  ] as const)("%s", async (_, options, more) => {
    const setup = {
      evalDataset: counting(3, 1),
      fields: { ...more, eval_steps: 2, save_steps: 3, max_steps: 6 },
    };
    const [whole, parts] = [await temporaryFolder(), await temporaryFolder()];
    const uncut = await titan(options);
    const expected = await trainer(uncut, { ...setup, outputDir: whole }).train();

    // The first process got to step 5, two steps after its checkpoint.
    const first = trainer(await titan(options), {
      ...setup,
      outputDir: parts,
      observer: {
        onStep: (step) => {
          if (step === 5) throw new Error("killed");
        },
      },
    });
    await expect(first.train()).rejects.toThrow("killed");
    const resumeFrom = (await latestCheckpoint(parts))!;
    expect(["checkpoint-3", "checkpoint-4"]).toContain(basename(resumeFrom));
    const resumed = await titan({ ...options, seed: 99 });
    const result = await trainer(resumed, { ...setup, outputDir: parts, resumeFrom }).train();

    expect(weightsOf(resumed)).toEqual(weightsOf(uncut));
    expect(await metricsOf(parts)).toEqual(await metricsOf(whole));
    expect(result).toMatchObject({ steps: 6, tokens: expected.tokens, interrupted: false });
    const stateOf = (folder: string) => readFile(join(folder, "checkpoint-6", "trainer_state.json"), "utf8");
    expect(await stateOf(parts)).toBe(await stateOf(whole));
  });
});

test("a run that was stopped leaves a checkpoint to go on from", async () => {
  const outputDir = await temporaryFolder();
  const uncut = await titan();
  await trainer(uncut).train();
  const first: Trainer = trainer(await titan(), {
    outputDir,
    observer: { onStep: (step) => step === 2 && first.stop() },
  });
  const checkpoint = join(outputDir, "checkpoint-2");
  expect(await first.train()).toMatchObject({ steps: 2, interrupted: true, checkpoint });
  const model = await titan();
  await trainer(model, { outputDir, resumeFrom: checkpoint }).train();
  expect(weightsOf(model)).toEqual(weightsOf(uncut));
});

test("a run that was killed while it saved goes on from the checkpoint before", async () => {
  const outputDir = await temporaryFolder();
  await trainer(await titan(), { outputDir, fields: { save_steps: 2, max_steps: 4 } }).train();
  // Killed between the two renames that exchange a folder, and in the middle of writing another.
  await rename(join(outputDir, "checkpoint-4"), join(outputDir, ".checkpoint-4.old.tmp"));
  await mkdir(join(outputDir, ".checkpoint-6.0123456789ab.tmp"));
  await writeFile(join(outputDir, ".checkpoint-6.0123456789ab.tmp", "config.json"), "{");
  const resumeFrom = (await latestCheckpoint(outputDir))!;
  expect(resumeFrom).toBe(join(outputDir, "checkpoint-4"));
  expect(await readdir(outputDir)).not.toContain(".checkpoint-4.old.tmp");
  const result = await trainer(await titan(), { outputDir, resumeFrom, fields: { max_steps: 5 } }).train();
  expect(result.steps).toBe(5);
});

test("without a checkpoint there is nothing to go on from", async () => {
  const outputDir = await temporaryFolder();
  expect(await latestCheckpoint(outputDir)).toBeUndefined();
  expect(await latestCheckpoint(join(outputDir, "nowhere"))).toBeUndefined();
});

test("a seed fixes a run, and another seed gives another", async () => {
  const run = async (seed: number) => {
    const model = await titan({ seed, loraConfig: { r: 4, loraDropout: 0.1 } });
    await trainer(model, { fields: { seed, max_steps: 3 } }).train();
    return weightsOf(model);
  };
  const first = await run(7);
  expect(await run(7)).toEqual(first);
  expect(await run(8)).not.toEqual(first);
});

test("accumulated batches are one big batch", async () => {
  const trainDataset = counting(6);
  const run = async (more: TrainingFields) => {
    const model = await titan();
    await trainer(model, { trainDataset, fields: { max_steps: 3, ...more } }).train();
    return model.params;
  };
  const big = await run({ batch_size: 6 });
  const accumulated = await run({ batch_size: 2, gradient_accumulation_steps: 3 });
  for (const [name, tensor] of Object.entries(big)) {
    expect(accumulated[name]!, name).toBeCloseToTensor(tensor, { rtol: 1e-4, atol: 1e-5 });
  }
});

test("an epoch is as many steps as its batches make", async () => {
  const steps = async (more: TrainingFields) =>
    (await trainer(await titan(), { fields: { ...fields, max_steps: undefined, ...more } }).train()).steps;
  expect(await steps({ batch_size: 5 })).toBe(3);
  expect(await steps({ epochs: 0.5 })).toBe(3);
  expect(await steps({ batch_size: 4, gradient_accumulation_steps: 2, epochs: 2 })).toBe(2);
});

describe("a loss that is bad", () => {
  /** Has the model tell another loss at some steps, counted from 1. */
  function spoil(model: TpttModel, losses: Readonly<Record<number, number>>, from = 0): void {
    const pass = model.lossAndGrad.bind(model);
    let step = from;
    model.lossAndGrad = async (...args) => {
      const result = await pass(...args);
      const loss = losses[++step];
      return loss === undefined ? result : { ...result, lossSum: loss * result.targets };
    };
  }

  test("ends the run with the names of the step and the examples, and changes nothing", async () => {
    const outputDir = await temporaryFolder();
    const model = await titan();
    spoil(model, { 3: Number.NaN });
    let before: unknown;
    const remember = {
      onStepEnd: ({ state }: { state: { globalStep: number } }) => {
        if (state.globalStep === 2) before = weightsOf(model);
      },
    };
    const fields = { save_steps: 1 };
    await expect(trainer(model, { outputDir, callbacks: [remember], fields }).train()).rejects.toThrow(
      /^step 3: the loss is NaN; the batch is example \d+, example \d+; lower learning_rate, .*on_bad_loss: skip/,
    );
    expect(weightsOf(model)).toEqual(before);
    expect((await metricsOf(outputDir)).map(({ step }) => step)).toEqual([1, 2]);
    expect(await latestCheckpoint(outputDir)).toBe(join(outputDir, "checkpoint-2"));
  });

  test("may be one that explodes, or one whose gradient is no number", async () => {
    const exploding = await titan();
    spoil(exploding, { 4: 50 });
    await expect(trainer(exploding).train()).rejects.toThrow(
      /^step 4: the loss is 50, more than 10 above 4\.\d+, the mean of the last steps; the batch is/,
    );
    const allowed = await titan();
    spoil(allowed, { 4: 50 });
    expect((await trainer(allowed, { fields: { max_loss_jump: 0 } }).train()).steps).toBe(6);

    const model = await titan();
    const pass = model.lossAndGrad.bind(model);
    model.lossAndGrad = async (...args) => {
      const { grads, ...result } = await pass(...args);
      const name = Object.keys(grads)[0]!;
      const broken = grads[name]!.f32.fill(Number.POSITIVE_INFINITY);
      return { ...result, grads: { ...grads, [name]: Tensor.f32(grads[name]!.shape, broken) } };
    };
    await expect(trainer(model).train()).rejects.toThrow(
      /^step 1: the loss is 4\.\d+, but its gradient's norm is/,
    );
  });

  test("is skipped when asked, as if the optimizer had not seen the batch; a resumed run goes on the same", async () => {
    const fields: TrainingFields = { on_bad_loss: "skip", save_steps: 1, max_steps: 6 };
    const losses = { 2: Number.NaN, 5: 40 };
    const outputDir = await temporaryFolder();
    const uncut = await titan({ loraConfig: { r: 4, loraDropout: 0.2 } });
    spoil(uncut, losses);
    const skipped: [number, string][] = [];
    const seen: unknown[] = [];
    const result = await trainer(uncut, {
      outputDir,
      fields,
      callbacks: [{ onStepEnd: () => seen.push(weightsOf(uncut)) }],
      observer: { onSkipped: (step, _, reason) => skipped.push([step, reason]) },
    }).train();
    expect(result).toMatchObject({ steps: 6, skipped: 2, interrupted: false });
    expect(skipped).toEqual([
      [2, expect.stringMatching(/^the loss is NaN; the batch is example \d+, example \d+$/)],
      [5, expect.stringMatching(/^the loss is 40, more than 10 above/)],
    ]);
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).not.toEqual(seen[1]);
    expect((await metricsOf(outputDir)).map(({ step, skipped }) => [step, skipped])).toEqual([
      [1, undefined],
      [2, true],
      [3, undefined],
      [4, undefined],
      [5, true],
      [6, undefined],
    ]);
    // From after the first bad batch: the optimizer's step and the losses before are those of the checkpoint.
    const resumed = await titan({ loraConfig: { r: 4, loraDropout: 0.2 }, seed: 7 });
    spoil(resumed, losses, 3);
    const resumeFrom = join(outputDir, "checkpoint-3");
    const rest = await trainer(resumed, { fields, callbacks: [], resumeFrom }).train();
    expect(rest).toMatchObject({ steps: 6, skipped: 2 });
    expect(weightsOf(resumed)).toEqual(weightsOf(uncut));
  });

  test("ends the run even so when every step is bad", async () => {
    const model = await titan();
    spoil(model, Object.fromEntries(Array.from({ length: 20 }, (_, i) => [i + 3, Number.NaN])));
    await expect(trainer(model, { fields: { on_bad_loss: "skip", max_steps: 40 } }).train()).rejects.toThrow(
      /^step 13: the loss is NaN; .*; so were those of the 10 steps before, which were skipped/,
    );
  });
});

describe("resuming", () => {
  const resume = async (setup: Setup, damage?: (folder: string) => Promise<void>) => {
    const outputDir = await temporaryFolder();
    await trainer(await titan(), { outputDir, fields: { save_steps: 2, max_steps: 2 } }).train();
    const resumeFrom = join(outputDir, "checkpoint-2");
    await damage?.(resumeFrom);
    const model = await titan();
    const before = weightsOf(model);
    const run = trainer(model, { outputDir, resumeFrom, ...setup }).train();
    await run.catch(() => expect(weightsOf(model)).toEqual(before));
    return run;
  };

  test.each([
    ["seed", { fields: { seed: 1 } }, "seed: is 1, the run was started with 0; resume with that"],
    ["batch size", { fields: { batch_size: 3 } }, "batch_size: is 3, the run was started with 2"],
    [
      "data set",
      { trainDataset: counting(12, 5) },
      /dataset: is 12 examples, \w{8}, the run was started with 12/,
    ],
  ] as [string, Setup, string | RegExp][])("with another %s is refused", async (_, setup, message) => {
    await expect(resume(setup)).rejects.toThrow(message);
  });

  test("a damaged checkpoint names the file and field, and leaves the model as it was", async () => {
    const cut = (file: string) => async (folder: string) => {
      const bytes = await readFile(join(folder, file));
      await writeFile(join(folder, file), bytes.subarray(0, bytes.length - 9));
    };
    await expect(resume({}, cut("optimizer.safetensors"))).rejects.toThrow("optimizer.safetensors");
    await expect(resume({}, cut("trainer_state.json"))).rejects.toThrow(
      /checkpoint-2.trainer_state.json: has \d+ bytes, manifest.json says \d+; it is torn/,
    );
    // Whoever changes a field, and its hash too, is told of the field.
    await expect(
      resume({}, async (folder) => {
        const path = join(folder, "trainer_state.json");
        await writeFile(path, (await readFile(path, "utf8")).replace('"batch": 2', '"batch": -2'));
        await writeManifest(folder);
      }),
    ).rejects.toThrow("trainer_state.json: data.batch: is -2");
  });
});

test("examples with nothing to predict are passed over, and data of nothing else are refused", async () => {
  const model = await titan();
  const empty = { inputIds: [1, 2, 3], labels: [1, -100, -100] };
  const some = [...Array.from({ length: 9 }, () => empty), ...counting(1)];
  const args = { max_steps: 12, batch_size: 1 };
  const targets = some[9]!.inputIds.length - 1;
  expect(await trainer(model, { trainDataset: some, fields: args }).train()).toMatchObject({
    steps: 12,
    tokens: 12 * targets,
  });
  await expect(trainer(model, { trainDataset: some.slice(0, 9), fields: args }).train()).rejects.toThrow(
    "dataset: leaves no token to predict in its 9 records",
  );
  await expect(evaluateLoss(model, some.slice(0, 9), { batchSize: 2, maxLength: 24 })).rejects.toThrow(
    "dataset: leaves no token to predict in its 9 records",
  );
});

test("nothing to train, or to train on, is refused", async () => {
  const model = await openTitan("llama-mha", { operatorMode: "delta_rule" });
  await expect(trainer(model).train()).rejects.toThrow("lora_r: is not set: there is nothing to train");
  await expect(trainer(await titan(), { trainDataset: [] }).train()).rejects.toThrow("dataset: is empty");
});

test("memory stays flat over hundreds of steps", async () => {
  const model = await titan();
  const resident: number[] = [];
  await trainer(model, {
    fields: { max_steps: 400 },
    observer: {
      onStep: (step) => {
        if (step % 100 === 0) resident.push(process.memoryUsage().rss / 2 ** 20);
      },
    },
  }).train();
  expect(resident.at(-1)! - resident[1]!).toBeLessThan(8);
});
