import { z } from "zod";
import { reshape, slice, tanh, type Value } from "../engine/index.js";
import { InputError } from "../errors.js";
import { type CamelFields, camelFields } from "../io/field-names.js";
import type { JsonObject } from "../io/json-file.js";
import { parseWith } from "../io/validate.js";
import { activations } from "../nn/activations.js";
import { Attention, type Projections, softmaxAttention, splitHeads } from "../nn/attention.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { Linear } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import { Backbone } from "./backbone.js";
import { anyActivation, partCount, positiveInt } from "./config-fields.js";

/* What BERT, and ViT after it, are built of: attention that sees all tokens, its parts named as BERT's are. */

/** The fields that the two have in common, with their defaults. */
export const encoderFields = {
  hidden_size: positiveInt.default(768),
  num_hidden_layers: partCount.default(12),
  num_attention_heads: positiveInt.default(12),
  intermediate_size: positiveInt.default(3072),
  hidden_act: anyActivation("gelu"),
  layer_norm_eps: z.number().positive().default(1e-12),
};

/** The fields in camelCase. */
export type EncoderConfig = CamelFields<z.output<z.ZodObject<typeof encoderFields>>>;

/** Reads an encoder's config.json, to properties in camelCase. @throws InputError naming the field that is wrong. */
export function parseEncoderConfig<F extends z.output<z.ZodObject<typeof encoderFields>>>(
  schema: z.ZodType<F>,
  json: JsonObject,
  where: string,
): CamelFields<F> {
  const fields = parseWith(schema, json, where);
  const { hidden_size: hidden, num_attention_heads: heads } = fields;
  if (hidden % heads !== 0) {
    throw new InputError(
      `${where}: num_attention_heads`,
      `is ${heads}, expected a divisor of hidden_size (${hidden})`,
    );
  }
  return camelFields(fields);
}

/** A model without a head, of which every token sees every other. */
export abstract class EncoderModel extends Backbone {
  readonly causal = false;
  override readonly learnedPositions = true;
  abstract readonly pooler?: Pooler;

  override pool(hidden: Value): Value | undefined {
    return this.pooler?.forward(hidden);
  }
}

/** The parameter that tells whether the files have a pooler: models trained for other uses have none. */
export const poolerWeight = "pooler.dense.weight";

/** A linear layer under the name `dense`, as BERT's checkpoints have them everywhere. */
export class Dense extends Module {
  readonly dense: Linear;

  constructor(inFeatures: number, outFeatures: number) {
    super();
    this.dense = new Linear(inFeatures, outFeatures, { bias: true });
  }
}

/** The inner layer of the feed-forward network. */
export class Intermediate extends Dense {
  readonly #activation: (x: Value) => Value;

  constructor({ hiddenSize, intermediateSize, hiddenAct }: EncoderConfig) {
    super(hiddenSize, intermediateSize);
    this.#activation = activations[hiddenAct];
  }

  /** [B, S, hidden] -> [B, S, intermediate] */
  forward(x: Value): Value {
    return this.#activation(this.dense.forward(x));
  }
}

/** tanh of a linear map of the first token. */
export class Pooler extends Dense {
  /** [B, S, hidden] -> [B, pooled] */
  forward(hidden: Value): Value {
    const [batch, , features] = hidden.shape as [number, number, number];
    return tanh(this.dense.forward(reshape(slice(hidden, 1, 0, 1), [batch, features])));
  }
}

/** The projections of q, k and v. */
export class SelfAttention extends Module {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;

  constructor(hiddenSize: number, bias: boolean) {
    super();
    this.query = new Linear(hiddenSize, hiddenSize, { bias });
    this.key = new Linear(hiddenSize, hiddenSize, { bias });
    this.value = new Linear(hiddenSize, hiddenSize, { bias });
  }
}

/** Attention without rotation; a family names the two halves of its parameters. */
export abstract class EncoderAttention extends Attention {
  readonly layerIdx: number;
  readonly numHeads: number;
  readonly headDim: number;
  readonly window = Number.POSITIVE_INFINITY;

  constructor({ hiddenSize, numAttentionHeads }: EncoderConfig, layerIdx: number) {
    super();
    this.layerIdx = layerIdx;
    this.numHeads = numAttentionHeads;
    this.headDim = hiddenSize / numAttentionHeads;
  }

  get numKeyValueHeads(): number {
    return this.numHeads;
  }

  protected abstract get projections(): SelfAttention;
  protected abstract get out(): Linear;

  project(x: Value): Projections {
    const { query, key, value } = this.projections;
    return { q: query.forward(x), k: key.forward(x), v: value.forward(x) };
  }

  attend({ q, k, v }: Projections, context: ForwardContext, window = this.window): Value {
    const heads = (x: Value) => splitHeads(x, this.numHeads);
    const { layerIdx, headDim } = this;
    return softmaxAttention(heads(q), heads(k), heads(v), {
      layerIdx,
      window,
      scale: headDim ** -0.5,
      context,
    });
  }

  projectOut(heads: Value): Value {
    return this.out.forward(heads);
  }
}
