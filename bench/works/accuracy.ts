import {
  type Example,
  evaluateLoss,
  LiZACallback,
  readDataset,
  type TpttModel,
  Trainer,
  tokenizeDataset,
  trainingArguments,
} from "#dist/index.js";
import { type LearnWork, type PredictWork, type Prepared, time } from "../work.js";
import { open } from "./open.js";
import { loraConfig } from "./train.js";

/** What is learned, and what is kept to measure the loss on. */
interface Split {
  readonly learned: readonly Example[];
  readonly kept: readonly Example[];
}

async function split(model: TpttModel, { text, length, windows }: LearnWork | PredictWork): Promise<Split> {
  const all = tokenizeDataset(await readDataset(text), model.requireTokenizer(), { maxLength: length });
  return { learned: all.slice(0, -windows), kept: all.slice(-windows) };
}

const lossOn = async (model: TpttModel, kept: readonly Example[], length: number): Promise<number> =>
  (await evaluateLoss(model, kept, { batchSize: 4, maxLength: length })).loss;

/** Trains a titan with the command line's defaults (mu rises from 0), then measures it. Can be done once. */
export async function prepareLearn(work: LearnWork): Promise<Prepared> {
  const model = await open(work, { loraConfig });
  const { learned, kept } = await split(model, work);
  const { steps, batch, length } = work;
  const args = trainingArguments({ max_steps: steps, batch_size: batch, max_length: length });
  const callbacks = [new LiZACallback(model, { transitionStep: steps })];
  const trainer = new Trainer({ model, args, trainDataset: learned, callbacks });
  return {
    async repeat() {
      const result = await time(() => trainer.train());
      return { ...result, loss: await lossOn(model, kept, length) };
    },
    release: () => model.dispose(),
  };
}

/** Measures a model as it is. */
export async function preparePredict(work: PredictWork): Promise<Prepared> {
  const model = await open(work);
  const { kept } = await split(model, work);
  return {
    async repeat() {
      let loss = Number.NaN;
      const result = await time(async () => {
        loss = await lossOn(model, kept, work.length);
      });
      return { ...result, loss };
    },
    release: () => model.dispose(),
  };
}
