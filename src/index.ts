/**
 * tptt: turns a pretrained transformer into a Titan.
 *
 * @module
 */
export { type Batch, type CollateOptions, collate, lengthBuckets } from "./data/collate.js";
export {
  type DataRecord,
  type DocumentRecord,
  type InstructionRecord,
  readDataset,
  type TextRecord,
} from "./data/dataset.js";
export {
  answersExample,
  chanceRecall,
  type FactsOptions,
  type FactsText,
  factsText,
  type Question,
} from "./data/facts.js";
export { alpacaPrompt, type PromptAndCompletion } from "./data/prompt.js";
export { type Example, type TokenizeOptions, type TokenizerLike, tokenizeDataset } from "./data/tokenize.js";
export { Tensor } from "./engine/index.js";
export { InputError } from "./errors.js";
export { type EvaluateLossOptions, evaluateLoss } from "./evaluate/loss.js";
export {
  ExactMatchMeter,
  type ExactMatchSummary,
  LossMeter,
  type LossSample,
  type LossSummary,
} from "./evaluate/metrics.js";
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
export { createTokenSampler, type SamplingOptions, type TokenSampler } from "./generate/sampling.js";
export type { GgufValue } from "./io/gguf-cursor.js";
export type { TokenizerFiles } from "./io/gguf-tokenizer.js";
export type { JsonObject } from "./io/json-file.js";
export { type DecodeOptions, Tokenizer, type TokenStream } from "./io/tokenizer.js";
export type { WeightInfo } from "./io/weight-source.js";
export { Backbone, type BackboneConfig, type BackboneInput } from "./models/backbone.js";
export { Checkpoint, openCheckpoint } from "./models/checkpoint.js";
export { Attention, type Projections } from "./nn/attention.js";
export {
  ForwardContext,
  type ForwardContextOptions,
  type Past,
  type PastKeyValues,
} from "./nn/forward-context.js";
export { Embedding, Linear } from "./nn/layers.js";
export { Module } from "./nn/module.js";
export { type FusedHeads, splitQkv } from "./nn/split-qkv.js";
export { Random, type RandomState } from "./random.js";
export { loadTpttSafetensors, saveTpttSafetensors } from "./tptt/adapter-file.js";
export { truncateAttentionMask } from "./tptt/attention-mask.js";
export type { EncodeInputs, Encoding, ForwardInputs, LabeledInputs } from "./tptt/batch.js";
export { CausalConv1d, type CausalConv1dOptions, type Conv1d, type PaddingMode } from "./tptt/causal-conv.js";
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
export type { DeltaRuleInputs } from "./tptt/delta-rule.js";
export { describe } from "./tptt/describe.js";
export { ExactMemory } from "./tptt/exact-memory.js";
export { getTpttModel, type InjectionOptions, setTrainableParameters } from "./tptt/inject.js";
export { LCache, type LinearState } from "./tptt/lcache.js";
export { LinearAttention, type LinearAttentionOptions } from "./tptt/linear-attention.js";
export { applyLinearAttentionMask } from "./tptt/linear-attention-mask.js";
export { LinearAttentionOp, type LinearAttentionOpOptions } from "./tptt/linear-attention-op.js";
export type { LinearMemory, LinearMemoryOptions } from "./tptt/linear-memory.js";
export { LiZAttention, type LiZAttentionOptions } from "./tptt/liza-attention.js";
export type { LoraConfig } from "./tptt/lora-config.js";
export { matchDim } from "./tptt/match-dim.js";
export { MemoryAsGate, type MemoryAsGateOptions } from "./tptt/memory-as-gate.js";
export { generateModelCard, renderTemplate, writeModelCard } from "./tptt/model-card.js";
export { getModelName, type ModelNameOptions } from "./tptt/model-name.js";
export { extractLayerIdx, findEmbeddingLm } from "./tptt/module-names.js";
export type { TpttModelParts } from "./tptt/open-titan.js";
export { CausalAvgPool1d, type CausalAvgPool1dOptions } from "./tptt/pooling.js";
export { type OperatorInputs, ReferenceMemory } from "./tptt/reference-memory.js";
export type { RetieOptions } from "./tptt/retie.js";
export { ensureStability, softClamp } from "./tptt/stability.js";
export type { Tailed } from "./tptt/tail.js";
export type { MemoryMode } from "./tptt/titan-parts.js";
export {
  type FromPretrainedOptions,
  type GenerateOptions,
  TpttModel,
  type TrainingPassOptions,
} from "./tptt/tptt-model.js";
export { unlinearActivation } from "./tptt/unlinear-activation.js";
export { type Trick, VirtualTokenExpander } from "./tptt/virtual-token-expander.js";
export { type TrainingArguments, trainingArguments } from "./train/arguments.js";
export type { Logs, TrainerCallback, TrainerControl, TrainerEvent, TrainerState } from "./train/callback.js";
export { latestCheckpoint } from "./train/checkpoint-folder.js";
export {
  ensureInt,
  LiZACallback,
  type LiZACallbackOptions,
  type NumberOrList,
} from "./train/liza-callback.js";
export type { TrainingObserver } from "./train/run.js";
export { SaveBestModelCallback } from "./train/save-best-model-callback.js";
export { Trainer, type TrainerOptions, type TrainingResult } from "./train/trainer.js";
