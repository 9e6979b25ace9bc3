import type { Parameter, Value } from "../engine/index.js";
import { type Block, runBlocks } from "../nn/blocks.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { Embedding, Linear, scaled } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import type { TokenModule } from "../nn/pre-norm-block.js";
import { LanguageModel, type LanguageModelConfig } from "./language-model.js";

/** What a family puts between the two embeddings. */
export interface DecoderParts {
  readonly layers: readonly (Module & Block)[];
  /** The last norm. */
  readonly norm: TokenModule;
  /** Factor of the embeddings, 1 unless given. */
  readonly embedScale?: number;
}

/** Embeddings, blocks and a norm: `model` in the checkpoints of Llama and its relatives. */
class Decoder extends Module {
  readonly embed_tokens: Embedding;
  readonly layers: readonly (Module & Block)[];
  readonly norm: TokenModule;
  readonly #embedScale: number;

  constructor(
    { vocabSize, hiddenSize }: LanguageModelConfig,
    { layers, norm, embedScale = 1 }: DecoderParts,
  ) {
    super();
    this.embed_tokens = new Embedding(vocabSize, hiddenSize);
    this.layers = layers;
    this.norm = norm;
    this.#embedScale = embedScale;
  }

  forward(inputIds: Value, context: ForwardContext): Value {
    const embedded = scaled(this.embed_tokens.forward(inputIds), this.#embedScale);
    return this.norm.forward(runBlocks(this.layers, embedded, context));
  }
}

/** A decoder in the layout of Llama's checkpoints, with its output embedding: most families differ in their blocks only. */
export class DecoderLm<C extends LanguageModelConfig = LanguageModelConfig> extends LanguageModel {
  readonly config: C;
  readonly model: Decoder;
  readonly lm_head?: Linear;

  constructor(config: C, parts: DecoderParts) {
    super();
    this.config = config;
    this.model = new Decoder(config, parts);
    if (!config.tieWordEmbeddings) this.lm_head = new Linear(config.hiddenSize, config.vocabSize);
  }

  get head(): Parameter {
    return (this.lm_head ?? this.model.embed_tokens).weight;
  }

  forward(inputIds: Value, context: ForwardContext): Value {
    return this.model.forward(inputIds, context);
  }
}
