import { z } from "zod";
import { add, mul, type Parameter, silu, split, type Value } from "../engine/index.js";
import { InputError } from "../errors.js";
import type { JsonObject } from "../io/json-file.js";
import { parseWith } from "../io/validate.js";
import { Attention, type Projections, softmaxAttention, splitHeads } from "../nn/attention.js";
import { runBlocks } from "../nn/blocks.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { Embedding, Linear, RmsNorm } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import { RotaryEmbedding } from "../nn/rotary.js";
import { splitQkv } from "../nn/split-qkv.js";
import type { Architecture } from "./architecture.js";
import { partCount, positiveInt } from "./config-fields.js";
import { LanguageModel } from "./language-model.js";

/*
 * OpenELM (Mehta et al., arXiv 2404.14619), after Apple's public definition, modeling_openelm.py and
 * configuration_openelm.py of apple/OpenELM-270M on the Hugging Face Hub. Beside Llama: layers differ in their number
 * of heads and their width; queries, keys and values come from one projection, gate and up of the feed-forward network
 * from another; queries and keys have norms.
 */

/** Epsilon of every norm: Apple's definition has no field for it. */
const normEps = 1e-6;

const perLayer = z.array(positiveInt).nullish();

const configSchema = z.object({
  model_type: z.literal("openelm"),
  vocab_size: positiveInt.default(32_000),
  max_context_length: positiveInt.default(2048),
  num_transformer_layers: partCount.default(12),
  model_dim: positiveInt.default(2048),
  head_dim: positiveInt.refine((dim) => dim % 2 === 0, "expected an even number").default(128),
  num_query_heads: perLayer,
  num_kv_heads: perLayer,
  qkv_multipliers: z.union([z.number().positive(), z.array(z.number().positive()).length(2)]).default(1),
  num_gqa_groups: positiveInt.default(1),
  ffn_multipliers: z.union([z.number().positive(), z.array(z.number().positive())]).default(4),
  ffn_with_glu: z.literal(true, "expected true, the only feed-forward network of this family").default(true),
  ffn_dim_divisor: positiveInt.default(256),
  activation_fn_name: z
    .enum(["swish", "silu"], "expected swish, the only activation of this family")
    .default("swish"),
  normalization_layer_name: z
    .literal("rms_norm", "expected rms_norm, the only norm of this family")
    .default("rms_norm"),
  normalize_qk_projections: z.boolean().default(false),
  share_input_output_layers: z.boolean().default(false),
  rope_freq_constant: z.number().positive().default(10_000),
});

/** What a layer has of its own. */
interface LayerSizes {
  readonly queryHeads: number;
  readonly keyValueHeads: number;
  readonly intermediateSize: number;
}

function parseConfig(json: JsonObject, where: string) {
  const fields = parseWith(configSchema, json, where);
  return {
    modelType: fields.model_type,
    vocabSize: fields.vocab_size,
    hiddenSize: fields.model_dim,
    numHiddenLayers: fields.num_transformer_layers,
    maxPositionEmbeddings: fields.max_context_length,
    tieWordEmbeddings: fields.share_input_output_layers,
    headDim: fields.head_dim,
    normalizeQkProjections: fields.normalize_qk_projections,
    ropeFreqConstant: fields.rope_freq_constant,
    layers: layerSizes(fields, where),
  };
}

type OpenElmConfig = Readonly<ReturnType<typeof parseConfig>>;

/** Block-wise scaling (Mehta et al., arXiv 2008.00623): what the config does not list follows from its multipliers. */
function layerSizes(fields: z.output<typeof configSchema>, where: string): LayerSizes[] {
  const { num_transformer_layers: count, model_dim: dim, head_dim: headDim, num_gqa_groups: groups } = fields;
  const queryHeads =
    fields.num_query_heads ??
    spread(fields.qkv_multipliers, count).map((m) => makeDivisible(dim * m, headDim * groups) / headDim);
  const keyValueHeads = fields.num_kv_heads ?? queryHeads.map((heads) => Math.floor(heads / groups));
  const multipliers = spread(fields.ffn_multipliers, count);
  for (const [name, list] of Object.entries({
    num_query_heads: queryHeads,
    num_kv_heads: keyValueHeads,
    ffn_multipliers: multipliers,
  })) {
    if (list.length !== count)
      throw new InputError(
        `${where}: ${name}`,
        `lists ${list.length} layers, expected num_transformer_layers (${count})`,
      );
  }
  return queryHeads.map((heads, i) => {
    const shared = keyValueHeads[i]!;
    if (heads % shared !== 0)
      throw new InputError(
        `${where}: num_kv_heads.${i}`,
        `is ${shared}, expected a divisor of num_query_heads.${i} (${heads})`,
      );
    const intermediateSize = makeDivisible(dim * multipliers[i]!, fields.ffn_dim_divisor);
    return { queryHeads: heads, keyValueHeads: shared, intermediateSize };
  });
}

/** One number is for every layer; two are the first and the last layer's, rounded to hundredths between; else a list. */
function spread(multipliers: number | readonly number[], layers: number): readonly number[] {
  if (typeof multipliers === "number") return Array<number>(layers).fill(multipliers);
  if (multipliers.length !== 2) return multipliers;
  const [first, last] = multipliers as [number, number];
  const step = layers > 1 ? (last - first) / (layers - 1) : 0;
  return Array.from(
    { length: layers },
    (_, i) => roundHalfEven((i > 0 && i === layers - 1 ? last : first + i * step) * 100) / 100,
  );
}

/** As Python rounds. */
function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2) : Math.round(x);
}

/** The nearest multiple of the divisor, not below it, and not more than a tenth below the value. */
function makeDivisible(value: number, divisor: number): number {
  const near = Math.max(divisor, Math.floor(Math.trunc(value + divisor / 2) / divisor) * divisor);
  return near < 0.9 * value ? near + divisor : near;
}

class OpenElmAttention extends Attention {
  readonly layerIdx: number;
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly window = Number.POSITIVE_INFINITY;
  readonly qkv_proj: Linear;
  readonly q_norm?: RmsNorm;
  readonly k_norm?: RmsNorm;
  readonly out_proj: Linear;
  readonly #rope: RotaryEmbedding;

  constructor(config: OpenElmConfig, layerIdx: number, rope: RotaryEmbedding) {
    super();
    const { queryHeads, keyValueHeads } = config.layers[layerIdx]!;
    const { hiddenSize, headDim } = config;
    this.layerIdx = layerIdx;
    this.numHeads = queryHeads;
    this.numKeyValueHeads = keyValueHeads;
    this.headDim = headDim;
    this.qkv_proj = new Linear(hiddenSize, (queryHeads + 2 * keyValueHeads) * headDim);
    if (config.normalizeQkProjections) {
      this.q_norm = new RmsNorm(headDim, normEps);
      this.k_norm = new RmsNorm(headDim, normEps);
    }
    this.out_proj = new Linear(queryHeads * headDim, hiddenSize);
    this.#rope = rope;
  }

  project(x: Value): Projections {
    return splitQkv(this, this.qkv_proj.forward(x));
  }

  attend({ q, k, v }: Projections, context: ForwardContext, window = this.window): Value {
    const { layerIdx, numHeads, numKeyValueHeads, headDim } = this;
    const turned = (x: Value, norm?: RmsNorm) => this.#rope.forward(norm ? norm.forward(x) : x, context);
    return softmaxAttention(
      turned(splitHeads(q, numHeads), this.q_norm),
      turned(splitHeads(k, numKeyValueHeads), this.k_norm),
      splitHeads(v, numKeyValueHeads),
      { layerIdx, window, scale: headDim ** -0.5, context },
    );
  }

  projectOut(heads: Value): Value {
    return this.out_proj.forward(heads);
  }
}

/** SwiGLU (Shazeer, arXiv 2002.05202), gate and up in one matrix. */
class OpenElmFeedForward extends Module {
  readonly proj_1: Linear;
  readonly proj_2: Linear;

  constructor(hiddenSize: number, intermediateSize: number) {
    super();
    this.proj_1 = new Linear(hiddenSize, 2 * intermediateSize);
    this.proj_2 = new Linear(intermediateSize, hiddenSize);
  }

  forward(x: Value): Value {
    const size = this.proj_2.inFeatures;
    const [gate, up] = split(this.proj_1.forward(x), -1, [size, size]) as [Value, Value];
    return this.proj_2.forward(mul(silu(gate), up));
  }
}

class OpenElmBlock extends Module {
  readonly attn: Attention;
  readonly ffn: OpenElmFeedForward;
  readonly ffn_norm: RmsNorm;
  readonly attn_norm: RmsNorm;

  constructor(config: OpenElmConfig, layerIdx: number, rope: RotaryEmbedding) {
    super();
    const { hiddenSize, layers } = config;
    this.attn = new OpenElmAttention(config, layerIdx, rope);
    this.ffn = new OpenElmFeedForward(hiddenSize, layers[layerIdx]!.intermediateSize);
    this.ffn_norm = new RmsNorm(hiddenSize, normEps);
    this.attn_norm = new RmsNorm(hiddenSize, normEps);
  }

  forward(x: Value, context: ForwardContext): Value {
    const h = add(x, this.attn.forward(this.attn_norm.forward(x), context));
    return add(h, this.ffn.forward(this.ffn_norm.forward(h)));
  }
}

class OpenElmTransformer extends Module {
  readonly token_embeddings: Embedding;
  readonly layers: readonly OpenElmBlock[];
  readonly norm: RmsNorm;

  constructor(config: OpenElmConfig) {
    super();
    const rope = new RotaryEmbedding(config.headDim, config.ropeFreqConstant);
    this.token_embeddings = new Embedding(config.vocabSize, config.hiddenSize);
    this.layers = config.layers.map((_, i) => new OpenElmBlock(config, i, rope));
    this.norm = new RmsNorm(config.hiddenSize, normEps);
  }

  forward(inputIds: Value, context: ForwardContext): Value {
    return this.norm.forward(runBlocks(this.layers, this.token_embeddings.forward(inputIds), context));
  }
}

class OpenElm extends LanguageModel {
  readonly config: OpenElmConfig;
  readonly transformer: OpenElmTransformer;
  readonly lm_head?: Linear;

  constructor(config: OpenElmConfig) {
    super();
    this.config = config;
    this.transformer = new OpenElmTransformer(config);
    if (!config.tieWordEmbeddings) this.lm_head = new Linear(config.hiddenSize, config.vocabSize);
  }

  get head(): Parameter {
    return (this.lm_head ?? this.transformer.token_embeddings).weight;
  }

  forward(inputIds: Value, context: ForwardContext): Value {
    return this.transformer.forward(inputIds, context);
  }
}

export const openelm: Architecture<OpenElm> = {
  modelTypes: ["openelm"],
  baseModelPrefix: "transformer",
  build: (json, where) => new OpenElm(parseConfig(json, where)),
};
