import { collate, lengthBuckets } from "../data/collate.js";
import { type Dataset, readTargets, toDataset } from "../data/dataset.js";
import { sortByLength, upTo } from "../data/sampler.js";
import { type Example, nothingToPredict } from "../data/tokenize.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import { LossMeter, type LossSummary } from "./metrics.js";
import { requireCausal } from "./require-causal.js";

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
 * @throws InputError when its tokens see the next one, or nothing is to be predicted.
 */
export async function evaluateLoss(
  model: TpttModel,
  examples: Dataset | readonly Example[],
  { batchSize, maxLength, onBatch }: EvaluateLossOptions,
): Promise<LossSummary> {
  requireCausal(model);
  const dataset = toDataset(examples);
  const order = sortByLength(upTo(dataset.length), dataset.sizes);
  const batches = Math.ceil(order.length / batchSize);
  const buckets = lengthBuckets(maxLength);
  const { paddingSide } = model.config;
  const meter = new LossMeter();
  let predicted = 0;
  for (let i = 0; i < batches; i++) {
    const read = await readTargets(dataset, [...order.subarray(i * batchSize, (i + 1) * batchSize)]);
    if (read.length === 0) continue;
    const batch = collate(read, { batchSize, buckets, paddingSide });
    const start = performance.now();
    const { lossSum, targets } = await model.loss(batch);
    meter.add({ loss: lossSum / targets, tokens: targets, seconds: (performance.now() - start) / 1000 });
    predicted += targets;
    onBatch?.(i + 1, batches, meter.summary());
  }
  if (predicted === 0) throw nothingToPredict(dataset.length);
  return meter.summary();
}
