import { collate } from "#dist/data/collate.js";
import { runtime } from "#dist/engine/runtime-node.js";
import { trainingArguments } from "#dist/index.js";
import { Learner } from "#dist/train/learner.js";
import { type Prepared, type Result, type TrainWork, time, tokenIds } from "../work.js";
import { open } from "./open.js";

/** The updates that are trained. */
export const loraConfig = { r: 8, loraAlpha: 16, targetModules: ["q_proj", "k_proj", "v_proj", "o_proj"] };

/** Steps of LoRA and AdamW. */
export async function prepareTrain(work: TrainWork): Promise<Prepared> {
  const { batch, length, checkpointing, timed = "step" } = work;
  const model = await open(work, { loraConfig });
  const args = trainingArguments({ gradient_checkpointing: checkpointing });
  const learner = await Learner.create(model, args);
  const vocabulary = Math.min(30_000, Number(model.baseConfig.vocab_size));
  const rows = Array.from({ length: batch }, (_, row) => tokenIds(length, vocabulary, row * length));
  const examples = rows.map((ids) => ({ inputIds: ids, labels: ids }));
  const tokens = collate(examples, { batchSize: batch, buckets: [length], paddingSide: "right" });
  const step = () => time(async () => (await learner.step([tokens], 0, args.learningRate)).apply());
  return {
    repeat: timed === "step" ? step : () => secondsToGraph(step),
    async release() {
      await learner.release();
      await model.dispose();
    },
  };
}

/** The seconds from the start of a first step until its session stands: the step traces, writes and opens the graph. */
async function secondsToGraph(step: () => Promise<unknown>): Promise<Result> {
  const createSession = runtime.createSession.bind(runtime);
  const stands = new Error("the session stands");
  let seconds = Number.NaN;
  const start = performance.now();
  runtime.createSession = async (...args) => {
    const session = await createSession(...args);
    seconds = (performance.now() - start) / 1000;
    // The step itself is of no interest.
    return { ...session, run: () => Promise.reject(stands) };
  };
  await step().catch((error: unknown) => {
    if (error !== stands) throw error;
  });
  return { seconds };
}
