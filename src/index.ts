/**
 * tptt: turns a pretrained transformer into a Titan.
 *
 * @module
 */
export { type Batch, type CollateOptions, collate, lengthBuckets } from "./data/collate.js";
export { type DataRecord, type InstructionRecord, readDataset, type TextRecord } from "./data/dataset.js";
export {
  answersExample,
  chanceRecall,
  type FactsOptions,
  type FactsText,
  factsText,
  type Question,
} from "./data/facts.js";
export { alpacaPrompt } from "./data/prompt.js";
export { type Example, type TokenizeOptions, tokenizeDataset } from "./data/tokenize.js";
export { Tensor } from "./engine/index.js";
export { InputError } from "./errors.js";
export { type EvaluateLossOptions, evaluateLoss } from "./evaluate/loss.js";
export { ExactMatchMeter, LossMeter, type LossSummary } from "./evaluate/metrics.js";
export {
  bandTexts,
  evaluateRecall,
  type LogitsModel,
  type Recall,
  type RecallBand,
  recallBands,
} from "./evaluate/recall.js";
export {
  type DiffusionAlgorithm,
  type DiffusionSchedule,
  diffusionAlgorithms,
} from "./generate/diffusion.js";
export { createTokenSampler, type SamplingOptions } from "./generate/sampling.js";
export { Tokenizer } from "./io/tokenizer.js";
export { Checkpoint, openCheckpoint } from "./models/checkpoint.js";
export { type FusedHeads, splitQkv } from "./nn/split-qkv.js";
export { Random } from "./random.js";
export { truncateAttentionMask } from "./tptt/attention-mask.js";
export { CausalConv1d, type CausalConv1dOptions, type PaddingMode } from "./tptt/causal-conv.js";
export {
  type Gate,
  type OperatorForm,
  type OperatorMode,
  operatorForms,
  type PoolingConfig,
  type RecurrentConfig,
  recurrentModes,
  TpttConfig,
  type TpttConfigOptions,
} from "./tptt/config.js";
export { convertSetsToLists } from "./tptt/convert-sets-to-lists.js";
export type { Decoder } from "./tptt/decoder.js";
export {
  constructCausalForwardSolver,
  type DeltaProductChunks,
  type DeltaProductInputs,
  type DeltaProductOptions,
  getValidChunkSize,
  sequentialDeltaProductScan,
} from "./tptt/delta-product-scan.js";
export { describe } from "./tptt/describe.js";
export { getTpttModel, setTrainableParameters } from "./tptt/inject.js";
export { LCache, type LinearState } from "./tptt/lcache.js";
export { LinearAttention, type LinearAttentionOptions } from "./tptt/linear-attention.js";
export { applyLinearAttentionMask } from "./tptt/linear-attention-mask.js";
export { LinearAttentionOp } from "./tptt/linear-attention-op.js";
export { LiZAttention } from "./tptt/liza-attention.js";
export type { LoraConfig } from "./tptt/lora-config.js";
export { matchDim } from "./tptt/match-dim.js";
export { MemoryAsGate, type MemoryAsGateOptions } from "./tptt/memory-as-gate.js";
export { getModelName, type ModelNameOptions } from "./tptt/model-name.js";
export { extractLayerIdx, findEmbeddingLm } from "./tptt/module-names.js";
export { CausalAvgPool1d, type CausalAvgPool1dOptions } from "./tptt/pooling.js";
export { ensureStability, softClamp } from "./tptt/stability.js";
export { type FromPretrainedOptions, type GenerateOptions, TpttModel } from "./tptt/tptt-model.js";
export { unlinearActivation } from "./tptt/unlinear-activation.js";
export { VirtualTokenExpander } from "./tptt/virtual-token-expander.js";
export { type TrainingArguments, trainingArguments } from "./train/arguments.js";
export type { TrainerCallback } from "./train/callback.js";
export { latestCheckpoint } from "./train/checkpoint-folder.js";
export { ensureInt, LiZACallback, type LiZACallbackOptions } from "./train/liza-callback.js";
export { SaveBestModelCallback } from "./train/save-best-model-callback.js";
export { Trainer, type TrainerOptions, type TrainingResult } from "./train/trainer.js";
