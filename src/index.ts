/**
 * tptt: turns a pretrained transformer into a Titan.
 *
 * @module
 */

export type { ChatTemplateLike } from "./data/chat.js";
export { type Batch, type CollateOptions, collate, lengthBuckets } from "./data/collate.js";
export type { DataFile } from "./data/data-file.js";
export {
  type Dataset,
  type Split,
  splitDataset,
  subset,
  TokenizedDataset,
} from "./data/dataset.js";
export {
  answersExample,
  chanceRecall,
  type FactsOptions,
  type FactsText,
  factsText,
  type Question,
} from "./data/facts.js";
export type { HubDataOptions } from "./data/hub-dataset.js";
export { type MqarOptions, type MqarQuestion, type MqarText, mqarText } from "./data/mqar.js";
export { packDataset } from "./data/pack.js";
export { type NeedleOptions, type NeedleText, passkeyText } from "./data/passkey.js";
export { alpacaPrompt, choicePrompt, type PromptAndCompletion } from "./data/prompt.js";
export {
  type ChatMessage,
  type ChatRecord,
  type ChoiceRecord,
  type DataRecord,
  type DocumentRecord,
  type InstructionRecord,
  type PromptStyle,
  promptStyles,
  type RecordField,
  type RecordOptions,
  recordFields,
  type TextRecord,
} from "./data/record.js";
export { type ReadOptions, Records, readDataset } from "./data/records.js";
export { type Example, type TokenizeOptions, type TokenizerLike, tokenizeDataset } from "./data/tokenize.js";
export { type Device, type DeviceBuffer, type ProductType, Tensor } from "./engine/index.js";
export { InputError } from "./errors.js";
export {
  type AnsweredPrompt,
  answeredPrompt,
  type ExactMatchOptions,
  evaluateExactMatch,
} from "./evaluate/exact-match.js";
export {
  type Estimate,
  type IntervalMethod,
  intervalMethods,
  proportion,
  type Ratio,
  type RatioSample,
  ratioOfSums,
} from "./evaluate/intervals.js";
export { type EvaluateLossOptions, evaluateLoss } from "./evaluate/loss.js";
export { evaluateMemory, type MemoryOptions } from "./evaluate/memory.js";
export {
  ExactMatchMeter,
  type ExactMatchSummary,
  LossMeter,
  type LossSample,
  type LossSummary,
} from "./evaluate/metrics.js";
export {
  type ChoiceForm,
  choiceForms,
  evaluateMultipleChoice,
  type MultipleChoiceOptions,
} from "./evaluate/multiple-choice.js";
export {
  bandTexts,
  evaluateRecall,
  type Recall,
  type RecallBand,
  recallBands,
} from "./evaluate/recall.js";
export {
  type AssociativeOptions,
  associativeTexts,
  distanceBand,
  evaluateRecallMap,
  type NeedleTextOptions,
  needleTexts,
  type RecallMapOptions,
  type RecallQuestion,
  type RecallText,
  type RecallTextOptions,
} from "./evaluate/recall-map.js";
export type { AnswerSample, HeatMapAxes, Metric, TaskResult } from "./evaluate/result.js";
export {
  type Evaluation,
  type EvaluationContext,
  readEvaluation,
  toEvaluation,
  writeEvaluation,
} from "./evaluate/result-file.js";
export { matchText, normalizeAnswer, type TextMatch, textMatches } from "./evaluate/text-match.js";
export {
  type Probe,
  type ProbeOptions,
  type ScoredTarget,
  type ScoringModel,
  scoreProbes,
  type Target,
} from "./evaluate/token-scores.js";
export {
  type DiffusionAlgorithm,
  type DiffusionSchedule,
  diffusionAlgorithms,
} from "./generate/diffusion.js";
export { createTokenSampler, type SamplingOptions, type TokenSampler } from "./generate/sampling.js";
export { ChatTemplate } from "./io/chat-template.js";
export { FileLock, type LockHolder, type LockWait } from "./io/file-lock.js";
export type { GgufValue } from "./io/gguf-cursor.js";
export type { TokenizerFiles } from "./io/gguf-tokenizer.js";
export type { HubObserver, HubTransfer, ModelUse } from "./io/hub/hub.js";
export type { JsonObject } from "./io/json-file.js";
export type { License } from "./io/license.js";
export type { TokenStream } from "./io/token-stream.js";
export { type DecodeOptions, Tokenizer } from "./io/tokenizer.js";
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
export { truncateAttentionMask } from "./tptt/compat/attention-mask.js";
export { convertSetsToLists } from "./tptt/compat/convert-sets-to-lists.js";
export { describe } from "./tptt/compat/describe.js";
export { matchDim } from "./tptt/compat/match-dim.js";
export type { RetieOptions } from "./tptt/compat/retie.js";
export { ensureStability, softClamp } from "./tptt/compat/stability.js";
export { TpttConfig, type TpttConfigOptions } from "./tptt/config/config.js";
export type { LoraConfig } from "./tptt/config/lora-config.js";
export { getModelName, type ModelNameOptions } from "./tptt/config/model-name.js";
export {
  type Gate,
  type OperatorForm,
  type OperatorMode,
  operatorForms,
  type PoolingConfig,
  type RecurrentConfig,
  recurrentModes,
  type Trick,
} from "./tptt/config/operator-config.js";
export {
  Conversation,
  type ConversationOptions,
  type FinishReason,
  type Reading,
  type ReplyOptions,
} from "./tptt/conversation.js";
export { loadTpttSafetensors, saveTpttSafetensors } from "./tptt/files/adapter-file.js";
export { generateModelCard, renderTemplate, writeModelCard } from "./tptt/files/model-card.js";
export type { FromPretrainedOptions, TpttModelParts } from "./tptt/files/open-titan.js";
export type { LoadedDecoder } from "./tptt/files/saved-decoder.js";
export type {
  EncodeInputs,
  Encoding,
  ForwardInputs,
  LabeledInputs,
  PathNorms,
  TokenScores,
  TokenScoresInputs,
} from "./tptt/graphs/batch.js";
export type { Decoder, DecoderReadOptions } from "./tptt/graphs/decoder.js";
export type { MemoryMode } from "./tptt/graphs/titan-parts.js";
export type { TrainingPassOptions } from "./tptt/graphs/titan-runner.js";
export { getTpttModel, type InjectionOptions, setTrainableParameters } from "./tptt/layer/inject.js";
export { LiZAttention, type LiZAttentionOptions } from "./tptt/layer/liza-attention.js";
export { MemoryAsGate, type MemoryAsGateOptions } from "./tptt/layer/memory-as-gate.js";
export { extractLayerIdx, findEmbeddingLm } from "./tptt/layer/module-names.js";
export {
  CausalConv1d,
  type CausalConv1dOptions,
  type Conv1d,
  type PaddingMode,
} from "./tptt/memory/causal-conv.js";
export {
  constructCausalForwardSolver,
  type DeltaProductChunks,
  type DeltaProductInputs,
  type DeltaProductOptions,
  getValidChunkSize,
  sequentialDeltaProductScan,
} from "./tptt/memory/delta-product-scan.js";
export type { DeltaRuleInputs } from "./tptt/memory/delta-rule.js";
export { ExactMemory } from "./tptt/memory/exact-memory.js";
export { LCache, type LinearState } from "./tptt/memory/lcache.js";
export { LinearAttention, type LinearAttentionOptions } from "./tptt/memory/linear-attention.js";
export { applyLinearAttentionMask } from "./tptt/memory/linear-attention-mask.js";
export { LinearAttentionOp, type LinearAttentionOpOptions } from "./tptt/memory/linear-attention-op.js";
export {
  type LinearMemory,
  type LinearMemoryOptions,
  prepareAttentionInput,
} from "./tptt/memory/linear-memory.js";
export { CausalAvgPool1d, type CausalAvgPool1dOptions } from "./tptt/memory/pooling.js";
export { type OperatorInputs, ReferenceMemory } from "./tptt/memory/reference-memory.js";
export type { Tailed } from "./tptt/memory/tail.js";
export { unlinearActivation } from "./tptt/memory/unlinear-activation.js";
export { VirtualTokenExpander } from "./tptt/memory/virtual-token-expander.js";
export type { GenerateOptions } from "./tptt/text-generation.js";
export { TpttModel } from "./tptt/tptt-model.js";
export { type TrainingArguments, trainingArguments } from "./train/arguments.js";
export type { Logs, TrainerCallback, TrainerControl, TrainerEvent, TrainerState } from "./train/callback.js";
export { latestCheckpoint } from "./train/checkpoint-folder.js";
export {
  ensureInt,
  LiZACallback,
  type LiZACallbackOptions,
  type NumberOrList,
} from "./train/liza-callback.js";
export { SaveBestModelCallback } from "./train/save-best-model-callback.js";
export { Trainer } from "./train/trainer.js";
export type { TrainerOptions, TrainingObserver, TrainingResult } from "./train/trainer-options.js";
