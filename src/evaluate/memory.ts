import { collate, lengthBuckets } from "../data/collate.js";
import { type Dataset, readTargets } from "../data/dataset.js";
import { ignoreIndex } from "../data/ignore-index.js";
import { sortByLength, upTo } from "../data/sampler.js";
import { nothingToPredict } from "../data/tokenize.js";
import type { Tensor } from "../engine/index.js";
import { InputError } from "../errors.js";
import type { ForwardInputs, LabeledInputs } from "../tptt/graphs/batch.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import { type RatioSample, ratioOfSums } from "./intervals.js";
import { evaluateRecallMap, type RecallText } from "./recall-map.js";
import { requireCausal } from "./require-causal.js";
import { type Metric, metric, type TaskResult } from "./result.js";
import { headBlocks, hiddenRows, type Place, targetsOf } from "./token-scores.js";

/** Options of {@link evaluateMemory}. */
export interface MemoryOptions {
  readonly batchSize: number;
  readonly maxLength: number;
  /** mu of the sweep, each 0..1; the model's own is added. */
  readonly magWeights: readonly number[];
  /** Texts that recall is measured on. */
  readonly recallTexts: readonly RecallText[];
  /** Called after each batch, of data and of recall alike. */
  readonly onBatch?: (done: number, total: number) => void;
}

/** What was measured at one mu. */
class Point {
  readonly mu: number | undefined;
  readonly losses: RatioSample[] = [];
  readonly divergences: RatioSample[] = [];
  /** The memory's share of each layer's output, summed over tokens. */
  readonly shares: RatioSample[][] = [];
  recall: Metric | undefined;

  /** @param mu undefined where it is learned. */
  constructor(mu: number | undefined) {
    this.mu = mu;
  }

  /** Adds a batch's shares, by layer. */
  addShares(shares: readonly RatioSample[]): void {
    for (const [layer, share] of shares.entries()) {
      const samples = this.shares[layer];
      if (samples) samples.push(share);
      else this.shares[layer] = [share];
    }
  }

  /** The figures, of layers `memory_share`. */
  metrics(): Metric[] {
    const where = { mag_weight: this.mu ?? "learned" };
    return [
      metric("loss", ratioOfSums(this.losses), where),
      metric("kl_from_base", ratioOfSums(this.divergences), where),
      ...(this.recall ? [metric("recall", this.recall, where)] : []),
      metric("memory_share", ratioOfSums(this.shares.flat()), where),
      ...this.shares.map((samples, layer) =>
        metric("memory_share", ratioOfSums(samples), { ...where, layer }),
      ),
    ];
  }
}

/**
 * What the memory of a titan does: loss, divergence from the untouched base model (KL(base || titan) per token, in nats) and
 * recall swept over mu, and the memory's share of each layer's output, |mu linear| / (|mu linear| + |(1 - mu) softmax|),
 * Euclidean norms after the output projection, averaged over tokens. Where mu is learned there is nothing to sweep. The
 * task's own figures are those at the model's own mu; the model is left as it was.
 *
 * The base model is the titan with its memories off and its first parameters, so a titan that was not trained has at mu 0 a
 * divergence of exactly 0.
 *
 * @throws InputError when the model's tokens see ahead, or nothing is to be predicted.
 */
export async function evaluateMemory(
  model: TpttModel,
  dataset: Dataset,
  options: MemoryOptions,
): Promise<TaskResult> {
  requireCausal(model);
  if (model.magRamp) throw new InputError("mag_ramp", "is true: mu differs from token to token; turn it off");
  const { magWeights, disableLinearAttn } = model;
  const own = model.config.magMode === "dynamic" ? undefined : disableLinearAttn ? 0 : model.magWeight;
  const wanted =
    own === undefined ? [undefined] : [...new Set([...options.magWeights, own])].sort((a, b) => a - b);
  const points = wanted.map((mu) => new Point(mu));
  const asOwn = points.find(({ mu }) => mu === own)!;
  const { batchSize, recallTexts } = options;
  const dataBatches = Math.ceil(dataset.length / batchSize);
  const recallBatches = Math.ceil(recallTexts.length / batchSize);
  const total = dataBatches + (recallTexts.length > 0 ? points.length * recallBatches : 0);
  let done = 0;
  const step = () => options.onBatch?.(++done, total);
  try {
    model.disableLinearAttn = false;
    await measureTexts(model, dataset, points, options, step);
    if (recallTexts.length > 0) {
      for (const point of points) {
        setMagWeight(model, point);
        const axes = { row: "pairs", column: "distance" };
        const { metrics } = await evaluateRecallMap(model, recallTexts, {
          batchSize,
          onBatch: step,
          ...axes,
        });
        point.recall = metrics[0]!;
      }
    }
  } finally {
    if (own !== undefined) model.magWeights = magWeights;
    model.disableLinearAttn = disableLinearAttn;
  }
  return {
    metrics: asOwn.metrics().flatMap(({ where, ...rest }) => (where && "layer" in where ? [] : [rest])),
    breakdown: points.flatMap((point) => point.metrics()),
    heatMap: { metric: "memory_share", row: "layer", column: "mag_weight" },
    notes: { own_mag_weight: own ?? "learned" },
  };
}

function setMagWeight(model: TpttModel, { mu }: Point): void {
  if (mu !== undefined) model.magWeight = mu;
}

/** Loss, divergence and shares at all points, batch by batch. */
async function measureTexts(
  model: TpttModel,
  dataset: Dataset,
  points: readonly Point[],
  { batchSize, maxLength }: MemoryOptions,
  step: () => void,
): Promise<void> {
  const untouched = await untouchedBase(model);
  const order = sortByLength(upTo(dataset.length), dataset.sizes);
  const buckets = lengthBuckets(maxLength);
  const { paddingSide } = model.config;
  for (let start = 0; start < order.length; start += batchSize) {
    const examples = await readTargets(dataset, [...order.subarray(start, start + batchSize)]);
    if (examples.length > 0) {
      const batch = collate(examples, { batchSize, buckets, paddingSide });
      const { inputIds, attentionMask } = batch;
      const places = placesOf(batch);
      const base = await untouched(() => hiddenOf(model, batch));
      const hidden: Tensor[] = [];
      for (const point of points) {
        setMagWeight(model, point);
        hidden.push(await hiddenOf(model, batch));
        const shares = sharesByLayer(await model.pathNorms({ inputIds, attentionMask }), attentionMask);
        point.addShares(shares);
      }
      const sums = points.map(() => ({ loss: 0, divergence: 0 }));
      for (const block of headBlocks(places)) {
        const targets = targetsOf(block);
        const reference = await untouched(() => model.logitsOf(hiddenRows(base, block)));
        for (const [i, sum] of sums.entries()) {
          const rows = hiddenRows(hidden[i]!, block);
          const { logProbs, divergence } = await model.scoreTokens({ hidden: rows, targets, reference });
          for (const row of block.keys()) {
            sum.loss -= logProbs.f32[row]!;
            sum.divergence += divergence!.f32[row]!;
          }
        }
      }
      for (const [i, { loss, divergence }] of sums.entries()) {
        points[i]!.losses.push({ sum: loss, count: places.length });
        points[i]!.divergences.push({ sum: divergence, count: places.length });
      }
    }
    step();
  }
  if (points[0]!.losses.length === 0) throw nothingToPredict(dataset.length);
}

/** Runs something on the base model as it was: without memories, and with the parameters that it had before training. */
async function untouchedBase(model: TpttModel): Promise<<T>(run: () => Promise<T>) => Promise<T>> {
  const trained = model.params;
  await model.initializeParams(0);
  const first = model.params;
  model.params = trained;
  return async (run) => {
    const { disableLinearAttn } = model;
    try {
      model.params = first;
      model.disableLinearAttn = true;
      return await run();
    } finally {
      model.params = trained;
      model.disableLinearAttn = disableLinearAttn;
    }
  };
}

const hiddenOf = async (model: TpttModel, { inputIds, attentionMask }: ForwardInputs): Promise<Tensor> =>
  (await model.encode({ inputIds, ...(attentionMask ? { attentionMask } : {}) })).lastHiddenState;

/** Where something is predicted: the token before, and what follows it. */
function placesOf({ labels }: LabeledInputs): Place[] {
  const length = labels.shape[1]!;
  const places: Place[] = [];
  for (let i = 0; i < labels.size; i++) {
    const token = Number(labels.data[i]);
    if (i % length > 0 && token !== ignoreIndex) places.push({ row: i - 1, token });
  }
  return places;
}

/** The memory's shares of each layer's output, summed over the tokens that are no padding. */
function sharesByLayer(
  { attention, memory }: { readonly attention: Tensor; readonly memory: Tensor },
  mask: Tensor,
): RatioSample[] {
  const [layers] = attention.shape as [number];
  return Array.from({ length: layers }, (_, layer) => {
    let [sum, count] = [0, 0];
    for (let i = 0; i < mask.size; i++) {
      if (Number(mask.data[i]) === 0) continue;
      const at = layer * mask.size + i;
      const [linear, softmax] = [memory.f32[at]!, attention.f32[at]!];
      sum += linear + softmax > 0 ? linear / (linear + softmax) : 0;
      count++;
    }
    return { sum, count };
  });
}
