import { collate } from "#dist/data/collate.js";
import { runtime } from "#dist/engine/runtime-node.js";
import { TpttModel, trainingArguments } from "#dist/index.js";
import { Learner } from "#dist/train/learner.js";
import { type Prepared, secondsOf, type TrainWork, tokenIds } from "../work.js";

/** Steps of LoRA and AdamW. */
export async function prepareTrain(work: TrainWork): Promise<Prepared> {
  const { memory, batch, length, checkpointing = false, timed = "step" } = work;
  const model = await TpttModel.fromPretrained(work.model, {
    operatorMode: memory === "off" ? "delta_rule" : memory,
    disableLinearAttn: memory === "off",
    magWeight: 0.5,
    loraConfig: { r: 8, loraAlpha: 16, targetModules: ["q_proj", "k_proj", "v_proj", "o_proj"] },
  });
  const args = trainingArguments({ gradient_checkpointing: checkpointing });
  const learner = await Learner.create(model, args);
  const vocabulary = Math.min(30_000, Number(model.baseConfig.vocab_size));
  const rows = Array.from({ length: batch }, (_, row) => tokenIds(length, vocabulary, row * length));
  const examples = rows.map((ids) => ({ inputIds: ids, labels: ids }));
  const tokens = collate(examples, { batchSize: batch, buckets: [length], paddingSide: "right" });
  const step = () => secondsOf(() => learner.step([tokens], args.learningRate));
  return {
    repeat: timed === "step" ? step : () => secondsToGraph(step),
    async release() {
      await learner.release();
      await model.dispose();
    },
  };
}

/** The seconds from the start of a first step until its session stands: the step traces, writes and opens the graph. */
async function secondsToGraph(step: () => Promise<unknown>): Promise<number> {
  const createSession = runtime.createSession.bind(runtime);
  let seconds = Number.NaN;
  const start = performance.now();
  runtime.createSession = async (...args) => {
    const session = await createSession(...args);
    seconds = (performance.now() - start) / 1000;
    return session;
  };
  await step();
  return seconds;
}
