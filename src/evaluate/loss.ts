import { collate, lengthBuckets } from "../data/collate.js";
import { groupByLength } from "../data/sampler.js";
import type { Example } from "../data/tokenize.js";
import { InputError } from "../errors.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import { LossMeter, type LossSummary } from "./metrics.js";

/** Options of {@link evaluateLoss}. */
export interface EvaluateLossOptions {
  readonly batchSize: number;
  readonly maxLength: number;
  /** Called after each batch. */
  readonly onBatch?: (done: number, total: number, soFar: LossSummary) => void;
}

/**
 * Mean next-token loss of a model over examples, at its present mu.
 *
 * @throws InputError when its tokens see the next one.
 */
export async function evaluateLoss(
  model: TpttModel,
  examples: readonly Example[],
  { batchSize, maxLength, onBatch }: EvaluateLossOptions,
): Promise<LossSummary> {
  if (!model.base.causal) {
    throw new InputError(
      "model_type",
      `is ${model.base.config.modelType}, whose tokens see the one that they would predict; evaluate a causal model`,
    );
  }
  const lengths = examples.map(({ inputIds }) => inputIds.length);
  const batches = groupByLength([...lengths.keys()], lengths, batchSize);
  const buckets = lengthBuckets(maxLength);
  const { paddingSide } = model.config;
  const meter = new LossMeter();
  for (const [i, indices] of batches.entries()) {
    const batch = collate(
      indices.map((index) => examples[index]!),
      { batchSize, buckets, paddingSide },
    );
    const start = performance.now();
    const { lossSum, targets } = await model.loss(batch);
    meter.add({ loss: lossSum / targets, tokens: targets, seconds: (performance.now() - start) / 1000 });
    onBatch?.(i + 1, batches.length, meter.summary());
  }
  return meter.summary();
}
