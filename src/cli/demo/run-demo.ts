import { fileURLToPath } from "node:url";
import type { FromPretrainedOptions } from "../../tptt/files/open-titan.js";
import { TpttModel } from "../../tptt/tptt-model.js";
import type { TrainingResult } from "../../train/trainer-options.js";
import type { Reporter } from "../reporter.js";
import {
  type FarQuestion,
  farQuestion,
  measureReading,
  type Reading,
  type RecallByBand,
  RecallTest,
  trainOnFacts,
} from "./experiment.js";

/** The base model that comes with the package. */
export const tinyModel = fileURLToPath(new URL("../../../assets/tiny", import.meta.url));

export interface DemoOptions {
  /** Steps of training. */
  readonly steps: number;
  /** Of the first LoRA weights and of all texts. */
  readonly seed: number;
  /** Texts in each band of distances. */
  readonly samples: number;
}

/** What was measured of a model at some mu. */
export interface DemoRow {
  readonly name: string;
  /** mu of each layer; none for the base model. */
  readonly magWeights: readonly number[];
  readonly recalls: RecallByBand;
}

/** A model that was also timed. */
export interface TimedRow extends DemoRow {
  readonly reading: Reading;
}

/** What a demo measured. */
export interface DemoResult {
  /** Tokens that the base model's attention sees. */
  readonly window: number;
  readonly base: TimedRow;
  /** The trained titan at the mu that it is saved with. */
  readonly titan: TimedRow;
  /** The trained titan with memories or attention off. */
  readonly variants: readonly (DemoRow & { readonly meaning: string })[];
  /** Loss of an answer and mu, step by step. */
  readonly curves: { readonly loss: readonly number[]; readonly mu: readonly number[] };
  readonly training: TrainingResult;
  readonly question: FarQuestion;
  readonly answers: { readonly base: string; readonly titan: string };
  /** Time that all of it took. */
  readonly seconds: number;
}

/** What else the trained titan is measured at: mu of its layers, and what that shows. */
const variants = [
  { magWeights: [0, 0], meaning: "no memory: what attention and LoRA recall by themselves" },
  { magWeights: [1, 1], meaning: "no attention: what the memories recall by themselves" },
  { magWeights: [0.5, 1], meaning: "no attention in the second layer: what it recalls is in its memory" },
  {
    magWeights: [0.5, 0],
    meaning: "no memory in the second layer: what is missing against mu 0.5 was in that memory",
  },
  {
    magWeights: [1, 0.5],
    meaning: "no attention in the first layer: what is missing against mu 0.5 was that attention's",
  },
];

/**
 * Titanizes the tiny model, trains it, and measures it before and after.
 *
 * @param save called with the trained titan and all that was measured.
 */
export async function runDemo(
  { steps, seed, samples }: DemoOptions,
  reporter: Reporter,
  save: (titan: TpttModel, result: DemoResult) => Promise<void>,
): Promise<DemoResult> {
  const start = performance.now();
  const open = (options: FromPretrainedOptions) =>
    TpttModel.fromPretrained(tinyModel, { ...options, seed, maxChunkSize: 32 });
  const base = await open({ disableLinearAttn: true });
  const titan = await open({ operatorMode: "delta_rule", loraConfig: { r: 8, loraAlpha: 16 } });
  try {
    const window = base.base.attentions()[0]![1].window;
    const test = new RecallTest(window, samples, seed);
    const measure = async (name: string, model: TpttModel): Promise<DemoRow> => {
      const recalls = await test.run(model);
      const rates = recalls.map(({ band, rate }) => [band.name, rate]);
      reporter.event("recall", { model: name, ...Object.fromEntries(rates) });
      return { name, magWeights: model.disableLinearAttn ? [] : model.magWeights, recalls };
    };
    const measureTimed = async (name: string, model: TpttModel): Promise<TimedRow> => ({
      ...(await measure(name, model)),
      reading: await measureReading(model, seed),
    });
    const question = farQuestion(base, window, seed);
    const ask = async (model: TpttModel) =>
      (await model.generate({ prompt: question.prompt, maxNewTokens: 1 })).trim();

    const before = await measureTimed("base model", base);
    const curves: { loss: number[]; mu: number[] } = { loss: [], mu: [] };
    const training = await trainOnFacts(titan, {
      steps,
      seed,
      onStep: (step, total, { loss, mu }) => {
        curves.loss.push(loss);
        curves.mu.push(mu);
        reporter.progress(step, total, { loss, mu });
      },
    });
    const { magWeight } = titan;
    const after = await measureTimed(`titan, mu ${magWeight}`, titan);
    const answers = { base: await ask(base), titan: await ask(titan) };
    const rows: DemoResult["variants"][number][] = [];
    for (const { magWeights, meaning } of variants) {
      titan.magWeights = magWeights;
      const name = `titan, mu ${[...new Set(magWeights)].join(" and ")}`;
      rows.push({ ...(await measure(name, titan)), meaning });
    }
    titan.magWeight = magWeight;
    const seconds = (performance.now() - start) / 1000;
    const result: DemoResult = {
      window,
      base: before,
      titan: after,
      variants: rows,
      curves,
      training,
      question,
      answers,
      seconds,
    };
    await save(titan, result);
    return result;
  } finally {
    await titan.dispose();
    await base.dispose();
  }
}
