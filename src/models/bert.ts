import { z } from "zod";
import { add, slice, type Value } from "../engine/index.js";
import type { CamelFields } from "../io/field-names.js";
import type { JsonObject } from "../io/json-file.js";
import type { Attention } from "../nn/attention.js";
import { runBlocks } from "../nn/blocks.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { Embedding, LayerNorm, type Linear } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import type { Architecture } from "./architecture.js";
import { positiveInt } from "./config-fields.js";
import {
  Dense,
  EncoderAttention,
  type EncoderConfig,
  EncoderModel,
  encoderFields,
  Intermediate,
  Pooler,
  parseEncoderConfig,
  poolerWeight,
  SelfAttention,
} from "./encoder.js";

/*
 * BERT (Devlin et al., arXiv 1810.04805): every token sees every other; a norm after each half of a block; learned
 * embeddings of words, positions and segments.
 */

const configSchema = z.object({
  ...encoderFields,
  model_type: z.literal("bert"),
  vocab_size: positiveInt.default(30_522),
  max_position_embeddings: positiveInt.default(512),
  type_vocab_size: positiveInt.default(2),
  position_embedding_type: z
    .literal("absolute", "expected absolute: relative positions are not supported")
    .default("absolute"),
  is_decoder: z.literal(false, "expected false: BERT as a decoder is not supported").default(false),
});

type BertConfig = CamelFields<z.output<typeof configSchema>>;

class BertEmbeddings extends Module {
  readonly word_embeddings: Embedding;
  readonly position_embeddings: Embedding;
  readonly token_type_embeddings: Embedding;
  readonly LayerNorm: LayerNorm;

  constructor(config: BertConfig) {
    super();
    this.word_embeddings = new Embedding(config.vocabSize, config.hiddenSize);
    this.position_embeddings = new Embedding(config.maxPositionEmbeddings, config.hiddenSize);
    this.token_type_embeddings = new Embedding(config.typeVocabSize, config.hiddenSize);
    this.LayerNorm = new LayerNorm(config.hiddenSize, config.layerNormEps);
  }

  /** A token's position is its index, whatever is padding. */
  forward(inputIds: Value, tokenTypeIds?: Value): Value {
    const types = this.token_type_embeddings;
    const segments = tokenTypeIds ? types.forward(tokenTypeIds) : slice(types.weight, 0, 0, 1);
    const positions = slice(this.position_embeddings.weight, 0, 0, inputIds.shape[1]!);
    return this.LayerNorm.forward(add(add(this.word_embeddings.forward(inputIds), segments), positions));
  }
}

/** A linear layer, and the norm over its output and what went past it. */
class BertOutput extends Dense {
  readonly LayerNorm: LayerNorm;

  constructor(inFeatures: number, { hiddenSize, layerNormEps }: EncoderConfig) {
    super(inFeatures, hiddenSize);
    this.LayerNorm = new LayerNorm(hiddenSize, layerNormEps);
  }
}

class BertAttention extends EncoderAttention {
  readonly self: SelfAttention;
  readonly output: BertOutput;

  constructor(config: EncoderConfig, layerIdx: number) {
    super(config, layerIdx);
    this.self = new SelfAttention(config.hiddenSize, true);
    this.output = new BertOutput(config.hiddenSize, config);
  }

  protected get projections(): SelfAttention {
    return this.self;
  }

  protected get out(): Linear {
    return this.output.dense;
  }
}

class BertLayer extends Module {
  readonly attention: Attention;
  readonly intermediate: Intermediate;
  readonly output: BertOutput;
  /** The checkpoint has it inside the attention, but it stands after the residual: a memory must not come between. */
  readonly #attentionNorm: LayerNorm;

  constructor(config: EncoderConfig, layerIdx: number) {
    super();
    const attention = new BertAttention(config, layerIdx);
    this.attention = attention;
    this.#attentionNorm = attention.output.LayerNorm;
    this.intermediate = new Intermediate(config);
    this.output = new BertOutput(config.intermediateSize, config);
  }

  forward(x: Value, context: ForwardContext): Value {
    const h = this.#attentionNorm.forward(add(this.attention.forward(x, context), x));
    const fed = this.output.dense.forward(this.intermediate.forward(h));
    return this.output.LayerNorm.forward(add(fed, h));
  }
}

class BertEncoder extends Module {
  readonly layer: readonly BertLayer[];

  constructor(config: EncoderConfig) {
    super();
    this.layer = Array.from({ length: config.numHiddenLayers }, (_, i) => new BertLayer(config, i));
  }
}

/** BERT without a head. */
class BertModel extends EncoderModel {
  readonly config: BertConfig;
  override readonly inputs = ["inputIds", "tokenTypeIds"] as const;
  readonly embeddings: BertEmbeddings;
  readonly encoder: BertEncoder;
  readonly pooler?: Pooler;

  constructor(config: BertConfig, hasPooler: boolean) {
    super();
    this.config = config;
    this.embeddings = new BertEmbeddings(config);
    this.encoder = new BertEncoder(config);
    if (hasPooler) this.pooler = new Pooler(config.hiddenSize, config.hiddenSize);
  }

  forward(inputIds: Value, context: ForwardContext, tokenTypeIds?: Value): Value {
    return runBlocks(this.encoder.layer, this.embeddings.forward(inputIds, tokenTypeIds), context);
  }
}

export const bert: Architecture<BertModel> = {
  modelTypes: ["bert"],
  baseModelPrefix: "bert",
  build(json: JsonObject, where, isStored = () => true) {
    return new BertModel(parseEncoderConfig(configSchema, json, where), isStored(poolerWeight));
  },
  /** Files converted from TensorFlow call a norm's parameters gamma and beta. */
  formerName: (parameter) =>
    parameter.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta"),
};
