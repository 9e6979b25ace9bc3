import { FrozenWeights } from "../engine/index.js";
import type { HubObserver } from "../io/hub/hub.js";
import { locateModel } from "../io/hub/locate-model.js";
import type { Checkpoint } from "../models/checkpoint.js";
import { LanguageModel } from "../models/language-model.js";
import { TpttConfig } from "../tptt/config/config.js";
import { readSavedConfig } from "../tptt/files/open-titan.js";
import { locateBase, openBaseModel } from "../tptt/files/titan-folder.js";
import { decoderBytes } from "../tptt/graphs/footprint.js";
import { LiZAttention } from "../tptt/layer/liza-attention.js";
import { TpttModel } from "../tptt/tptt-model.js";
import { trainingOptions } from "../train/arguments.js";
import { common, maxLengthFor } from "./common-options.js";
import type { Given, Values } from "./options.js";
import { titanOptions, toTpttOptions } from "./titan-options.js";

/** What an inspection depends on. */
export const inspectionOptions = {
  model: common.model,
  ...titanOptions,
  batch_size: common.batch_size,
  max_length: common.max_length,
  gradient_checkpointing: trainingOptions.gradient_checkpointing,
};

/** Lengths that the size of a decoder's state is told for, in tokens. */
const stateLengths = [1024, 32_768];

/** What is told of a model; the names are those of the JSON output. */
export type Inspection = Awaited<ReturnType<typeof inspectModel>>;

/** Looks at a model on disk or of the hub, without its weights: the base model's header and the titan that the options make of it. */
export async function inspectModel(
  given: Given<typeof inspectionOptions>,
  values: Values<typeof inspectionOptions>,
  observer?: HubObserver,
) {
  const place = await locateModel(values.model, observer, "look");
  const saved = await readSavedConfig(place.path);
  const { trainableParameters = [], ...changes } = toTpttOptions(given, saved);
  const base = await locateBase(saved, place);
  const config = (saved ?? TpttConfig.from({})).with({ ...changes, ...base });
  const checkpoint = await openBaseModel(config, observer, "look");
  try {
    const described = describeBase(checkpoint);
    const model = new TpttModel({
      config,
      baseConfig: checkpoint.config,
      base: checkpoint.model,
      trainableParameters,
      frozen: await FrozenWeights.create(),
    });
    try {
      return {
        model: values.model,
        kind: saved ? "saved titan" : "base model",
        base_model: checkpoint.path,
        ...described,
        ...describeTitan(model),
        memory: describeMemory(model, described.parameters, given, values),
      };
    } finally {
      await model.dispose();
    }
  } finally {
    await checkpoint.close();
  }
}

function describeBase({ model, stored }: Checkpoint) {
  const { config } = model;
  const [, attention] = model.attentions()[0]!;
  const parameters = new Set([...model.namedParameters()].map(([, parameter]) => parameter));
  const types = new Map<string, { tensors: number; bytes: number }>();
  for (const { dtype, byteLength } of stored) {
    const { tensors, bytes } = types.get(dtype) ?? { tensors: 0, bytes: 0 };
    types.set(dtype, { tensors: tensors + 1, bytes: bytes + byteLength });
  }
  return {
    family: config.modelType,
    parameters: [...parameters].reduce((sum, { size }) => sum + size, 0),
    layers: config.numHiddenLayers,
    hidden_size: config.hiddenSize,
    heads: attention.numHeads,
    key_value_heads: attention.numKeyValueHeads,
    head_dim: attention.headDim,
    vocabulary: model instanceof LanguageModel ? model.config.vocabSize : null,
    positions: config.maxPositionEmbeddings,
    stored: Object.fromEntries(types),
  };
}

function describeTitan({ base, config, trainable }: TpttModel) {
  const { order, alphaGate, betaGate, linear, trick } = config.recurrentConfig;
  const wrapped = base.attentions().filter(([, layer]) => layer instanceof LiZAttention);
  return {
    operator: {
      mode: config.operatorMode ?? null,
      order,
      alpha_gate: alphaGate,
      beta_gate: betaGate,
      linear,
      trick,
    },
    wrapped: wrapped.map(([name, layer]) => ({
      name,
      window: Number.isFinite(layer.window) ? layer.window : null,
    })),
    trainable: {
      parameters: trainable.reduce((sum, { size }) => sum + size, 0),
      tensors: trainable.length,
      lora_r: config.loraConfig?.r ?? null,
      lora_alpha: config.loraConfig?.loraAlpha ?? null,
    },
  };
}

/** Bytes, the weights as f32; null for what the model has no positions for, and for training without a loss. */
function describeMemory(
  model: TpttModel,
  parameters: number,
  given: Given<typeof inspectionOptions>,
  { batch_size, max_length, gradient_checkpointing }: Values<typeof inspectionOptions>,
) {
  const weights = 4 * parameters;
  const trained = model.trainable.reduce((sum, { size }) => sum + 4 * size, 0);
  const positions = model.base.config.maxPositionEmbeddings;
  // What predicts no tokens has neither a decoder nor a loss.
  if (model.config.modelTask !== "causal_lm") return { weights, states: [], training_step: null };
  const length = maxLengthFor(positions, given.max_length, max_length);
  const pass = model.trainingBytes(batch_size, length, { checkpointing: gradient_checkpointing });
  return {
    weights,
    states: stateLengths.map((tokens) => ({
      tokens,
      mixed: tokens <= positions ? decoderBytes(model.base, "mixed", tokens) : null,
      memory_only: decoderBytes(model.base, "only", tokens),
    })),
    training_step: {
      batch_size,
      max_length: length,
      // The trained weights, their gradient and the optimizer's two moments.
      bytes: weights + 4 * trained + pass,
    },
  };
}
