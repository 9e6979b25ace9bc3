import { z } from "zod";
import { add, constant, maximum, type Parameter, Tensor, type Value } from "../engine/index.js";
import { InputError } from "../errors.js";
import type { JsonObject } from "../io/json-file.js";
import { parseWith } from "../io/validate.js";
import { activations } from "../nn/activations.js";
import { Attention, type Projections, softmaxAttention, splitHeads } from "../nn/attention.js";
import { runBlocks } from "../nn/blocks.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { Conv1D, Embedding, LayerNorm, Linear } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import { splitQkv } from "../nn/split-qkv.js";
import type { Architecture } from "./architecture.js";
import { anyActivation, partCount, positiveInt } from "./config-fields.js";
import { gpt2Gguf } from "./gpt2-gguf.js";
import { LanguageModel } from "./language-model.js";

/*
 * GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019): learned positions, one fused
 * projection for queries, keys and values, weights stored [in, out]. `scale_attn_by_inverse_layer_idx` is Mistral's
 * training recipe (Karamcheti et al., 2021); its `reorder_and_upcast_attn` is about half precision only.
 */

const configSchema = z
  .object({
    model_type: z.literal("gpt2"),
    vocab_size: positiveInt.default(50_257),
    n_positions: positiveInt.default(1024),
    n_embd: positiveInt.default(768),
    n_layer: partCount.default(12),
    n_head: positiveInt.default(12),
    n_inner: positiveInt.nullish(),
    activation_function: anyActivation("gelu_new"),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    scale_attn_weights: z.boolean().default(true),
    scale_attn_by_inverse_layer_idx: z.boolean().default(false),
    add_cross_attention: z
      .literal(false, "expected false: a decoder that looks at an encoder is not supported")
      .default(false),
    tie_word_embeddings: z.boolean().default(true),
  })
  .transform((fields) => ({
    modelType: fields.model_type,
    vocabSize: fields.vocab_size,
    maxPositionEmbeddings: fields.n_positions,
    hiddenSize: fields.n_embd,
    intermediateSize: fields.n_inner ?? 4 * fields.n_embd,
    numHiddenLayers: fields.n_layer,
    numAttentionHeads: fields.n_head,
    activationFunction: fields.activation_function,
    layerNormEpsilon: fields.layer_norm_epsilon,
    scaleAttnWeights: fields.scale_attn_weights,
    scaleAttnByInverseLayerIdx: fields.scale_attn_by_inverse_layer_idx,
    tieWordEmbeddings: fields.tie_word_embeddings,
  }));

type Gpt2Config = Readonly<z.output<typeof configSchema>>;

class Gpt2Attention extends Attention {
  readonly layerIdx: number;
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly window = Number.POSITIVE_INFINITY;
  readonly c_attn: Conv1D;
  readonly c_proj: Conv1D;
  readonly #scale: number;

  constructor(config: Gpt2Config, layerIdx: number) {
    super();
    const { hiddenSize, numAttentionHeads } = config;
    this.layerIdx = layerIdx;
    this.numHeads = numAttentionHeads;
    this.numKeyValueHeads = numAttentionHeads;
    this.headDim = hiddenSize / numAttentionHeads;
    this.c_attn = new Conv1D(hiddenSize, 3 * hiddenSize);
    this.c_proj = new Conv1D(hiddenSize, hiddenSize);
    const scale = config.scaleAttnWeights ? this.headDim ** -0.5 : 1;
    this.#scale = config.scaleAttnByInverseLayerIdx ? scale / (layerIdx + 1) : scale;
  }

  project(x: Value): Projections {
    return splitQkv(this, this.c_attn.forward(x));
  }

  attend({ q, k, v }: Projections, context: ForwardContext, window = this.window): Value {
    const heads = (x: Value) => splitHeads(x, this.numHeads);
    const { layerIdx } = this;
    return softmaxAttention(heads(q), heads(k), heads(v), { layerIdx, window, scale: this.#scale, context });
  }

  projectOut(heads: Value): Value {
    return this.c_proj.forward(heads);
  }
}

class Gpt2Mlp extends Module {
  readonly c_fc: Conv1D;
  readonly c_proj: Conv1D;
  readonly #activation: (x: Value) => Value;

  constructor({ hiddenSize, intermediateSize, activationFunction }: Gpt2Config) {
    super();
    this.c_fc = new Conv1D(hiddenSize, intermediateSize);
    this.c_proj = new Conv1D(intermediateSize, hiddenSize);
    this.#activation = activations[activationFunction];
  }

  forward(x: Value): Value {
    return this.c_proj.forward(this.#activation(this.c_fc.forward(x)));
  }
}

const norm = ({ hiddenSize, layerNormEpsilon }: Gpt2Config) => new LayerNorm(hiddenSize, layerNormEpsilon);

class Gpt2Block extends Module {
  readonly ln_1: LayerNorm;
  readonly attn: Attention;
  readonly ln_2: LayerNorm;
  readonly mlp: Gpt2Mlp;

  constructor(config: Gpt2Config, layerIdx: number) {
    super();
    this.ln_1 = norm(config);
    this.attn = new Gpt2Attention(config, layerIdx);
    this.ln_2 = norm(config);
    this.mlp = new Gpt2Mlp(config);
  }

  forward(x: Value, context: ForwardContext): Value {
    const h = add(x, this.attn.forward(this.ln_1.forward(x), context));
    return add(h, this.mlp.forward(this.ln_2.forward(h)));
  }
}

class Gpt2Transformer extends Module {
  readonly wte: Embedding;
  readonly wpe: Embedding;
  readonly h: readonly Gpt2Block[];
  readonly ln_f: LayerNorm;

  constructor(config: Gpt2Config) {
    super();
    this.wte = new Embedding(config.vocabSize, config.hiddenSize);
    this.wpe = new Embedding(config.maxPositionEmbeddings, config.hiddenSize);
    this.h = Array.from({ length: config.numHiddenLayers }, (_, i) => new Gpt2Block(config, i));
    this.ln_f = norm(config);
  }

  forward(inputIds: Value, context: ForwardContext): Value {
    const embedded = add(this.wte.forward(inputIds), this.#positions(context));
    return this.ln_f.forward(runBlocks(this.h, embedded, context));
  }

  /** [B or 1, S, hidden]; what padding gets does not matter. */
  #positions({ positions, length }: ForwardContext): Value {
    if (positions) return this.wpe.forward(maximum(positions, 0));
    return this.wpe.forward(constant(Tensor.int64([1, length], [...Array(length).keys()])));
  }
}

class Gpt2 extends LanguageModel {
  readonly config: Gpt2Config;
  override readonly learnedPositions = true;
  readonly transformer: Gpt2Transformer;
  readonly lm_head?: Linear;

  constructor(config: Gpt2Config) {
    super();
    this.config = config;
    this.transformer = new Gpt2Transformer(config);
    if (!config.tieWordEmbeddings) this.lm_head = new Linear(config.hiddenSize, config.vocabSize);
  }

  get head(): Parameter {
    return (this.lm_head ?? this.transformer.wte).weight;
  }

  /** @throws InputError when the sequence is longer than the table of positions. */
  forward(inputIds: Value, context: ForwardContext): Value {
    const { maxPositionEmbeddings } = this.config;
    if (context.length > maxPositionEmbeddings) {
      throw new InputError(
        "input_ids",
        `has ${context.length} tokens, expected at most ${maxPositionEmbeddings}, the positions that this model knows; cut the text`,
      );
    }
    return this.transformer.forward(inputIds, context);
  }
}

function build(json: JsonObject, where: string): Gpt2 {
  const config = parseWith(configSchema, json, where);
  const { hiddenSize, numAttentionHeads } = config;
  if (hiddenSize % numAttentionHeads !== 0)
    throw new InputError(
      `${where}: n_head`,
      `is ${numAttentionHeads}, expected a divisor of n_embd (${hiddenSize})`,
    );
  return new Gpt2(config);
}

export const gpt2: Architecture<Gpt2> = {
  modelTypes: ["gpt2"],
  baseModelPrefix: "transformer",
  build,
  gguf: gpt2Gguf,
};
