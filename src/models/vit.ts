import { z } from "zod";
import {
  add,
  concat,
  expand,
  linear,
  type Parameter,
  parameter,
  reshape,
  slice,
  transpose,
  type Value,
} from "../engine/index.js";
import { InputError } from "../errors.js";
import type { CamelFields } from "../io/field-names.js";
import type { JsonObject } from "../io/json-file.js";
import type { Attention } from "../nn/attention.js";
import { runBlocks } from "../nn/blocks.js";
import type { ForwardContext } from "../nn/forward-context.js";
import { LayerNorm, type Linear } from "../nn/layers.js";
import { Module } from "../nn/module.js";
import type { Architecture } from "./architecture.js";
import { positiveInt } from "./config-fields.js";
import {
  Dense,
  EncoderAttention,
  EncoderModel,
  encoderFields,
  Intermediate,
  Pooler,
  parseEncoderConfig,
  poolerWeight,
  SelfAttention,
} from "./encoder.js";

/*
 * The Vision Transformer (Dosovitskiy et al., arXiv 2010.11929): an image is cut into patches, each a token after a linear
 * map; a token of its own stands for the whole image; norms before each half of a block.
 */

/** A square's side, or height and width. */
const size = z
  .union([positiveInt, z.tuple([positiveInt, positiveInt])], "expected a number or [height, width]")
  .transform((x): [height: number, width: number] => (typeof x === "number" ? [x, x] : x));

const configSchema = z
  .object({
    ...encoderFields,
    model_type: z.literal("vit"),
    image_size: size.default([224, 224]),
    patch_size: size.default([16, 16]),
    num_channels: positiveInt.default(3),
    qkv_bias: z.boolean().default(true),
    pooler_output_size: positiveInt.nullish(),
    pooler_act: z.literal("tanh", "expected tanh, the only activation of the pooler").default("tanh"),
  })
  .transform((c, context) => {
    if (c.patch_size.some((side, i) => side > c.image_size[i]!)) {
      const message = "expected at least patch_size, which is 16 unless given";
      context.addIssue({ code: "custom", path: ["image_size"], message });
      return z.NEVER;
    }
    // What is left at the right and at the bottom, less than a patch, is not looked at.
    const grid = c.patch_size.map((side, i) => Math.floor(c.image_size[i]! / side)) as [number, number];
    return { ...c, grid, max_position_embeddings: grid[0] * grid[1] + 1 };
  });

type ViTConfig = CamelFields<z.output<typeof configSchema>>;

/** A convolution whose stride is its width: a linear map of each patch. */
class PatchProjection extends Module {
  /** [hidden, C, height, width] */
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #grid: readonly [number, number];

  constructor({ hiddenSize, numChannels, patchSize, grid }: ViTConfig) {
    super();
    this.weight = parameter(hiddenSize, numChannels, ...patchSize);
    this.bias = parameter(hiddenSize);
    this.#grid = grid;
  }

  /** [B, C, H, W] -> [B, patches, hidden], row by row. */
  forward(pixelValues: Value): Value {
    const [hidden, channels, height, width] = this.weight.shape as [number, number, number, number];
    const [rows, columns] = this.#grid;
    const whole = slice(slice(pixelValues, 2, 0, rows * height), 3, 0, columns * width);
    const cells = reshape(whole, [-1, channels, rows, height, columns, width]);
    const patches = reshape(transpose(cells, [0, 2, 4, 1, 3, 5]), [
      -1,
      rows * columns,
      channels * height * width,
    ]);
    return linear(patches, reshape(this.weight, [hidden, -1]), this.bias);
  }
}

class PatchEmbeddings extends Module {
  readonly projection: PatchProjection;

  constructor(config: ViTConfig) {
    super();
    this.projection = new PatchProjection(config);
  }
}

class ViTEmbeddings extends Module {
  readonly cls_token: Parameter;
  readonly position_embeddings: Parameter;
  readonly patch_embeddings: PatchEmbeddings;

  constructor(config: ViTConfig) {
    super();
    this.cls_token = parameter(1, 1, config.hiddenSize);
    this.position_embeddings = parameter(1, config.maxPositionEmbeddings, config.hiddenSize);
    this.patch_embeddings = new PatchEmbeddings(config);
  }

  forward(pixelValues: Value): Value {
    const patches = this.patch_embeddings.projection.forward(pixelValues);
    const first = expand(this.cls_token, patches.shape.with(1, 1));
    return add(concat([first, patches], 1), this.position_embeddings);
  }
}

class ViTAttention extends EncoderAttention {
  readonly attention: SelfAttention;
  readonly output: Dense;

  constructor(config: ViTConfig, layerIdx: number) {
    super(config, layerIdx);
    this.attention = new SelfAttention(config.hiddenSize, config.qkvBias);
    this.output = new Dense(config.hiddenSize, config.hiddenSize);
  }

  protected get projections(): SelfAttention {
    return this.attention;
  }

  protected get out(): Linear {
    return this.output.dense;
  }
}

class ViTLayer extends Module {
  readonly layernorm_before: LayerNorm;
  readonly attention: Attention;
  readonly layernorm_after: LayerNorm;
  readonly intermediate: Intermediate;
  readonly output: Dense;

  constructor(config: ViTConfig, layerIdx: number) {
    super();
    this.layernorm_before = new LayerNorm(config.hiddenSize, config.layerNormEps);
    this.attention = new ViTAttention(config, layerIdx);
    this.layernorm_after = new LayerNorm(config.hiddenSize, config.layerNormEps);
    this.intermediate = new Intermediate(config);
    this.output = new Dense(config.intermediateSize, config.hiddenSize);
  }

  forward(x: Value, context: ForwardContext): Value {
    const h = add(x, this.attention.forward(this.layernorm_before.forward(x), context));
    return add(h, this.output.dense.forward(this.intermediate.forward(this.layernorm_after.forward(h))));
  }
}

class ViTEncoder extends Module {
  readonly layer: readonly ViTLayer[];

  constructor(config: ViTConfig) {
    super();
    this.layer = Array.from({ length: config.numHiddenLayers }, (_, i) => new ViTLayer(config, i));
  }
}

/** ViT without a head. */
class ViTModel extends EncoderModel {
  readonly config: ViTConfig;
  override readonly inputs = ["pixelValues"] as const;
  readonly embeddings: ViTEmbeddings;
  readonly encoder: ViTEncoder;
  readonly layernorm: LayerNorm;
  readonly pooler?: Pooler;

  constructor(config: ViTConfig, hasPooler: boolean) {
    super();
    this.config = config;
    this.embeddings = new ViTEmbeddings(config);
    this.encoder = new ViTEncoder(config);
    this.layernorm = new LayerNorm(config.hiddenSize, config.layerNormEps);
    if (hasPooler) this.pooler = new Pooler(config.hiddenSize, config.poolerOutputSize ?? config.hiddenSize);
  }

  override sequenceLength(shape: readonly number[]): number {
    const { numChannels, imageSize, maxPositionEmbeddings } = this.config;
    const expected = [numChannels, ...imageSize];
    if (shape.length !== 4 || String(shape.slice(1)) !== String(expected)) {
      throw new InputError(
        "pixel_values",
        `has the shape [${shape}], expected [batch,${expected}]; scale the images to ${imageSize.join(" x ")}`,
      );
    }
    return maxPositionEmbeddings;
  }

  forward(pixelValues: Value, context: ForwardContext): Value {
    return this.layernorm.forward(
      runBlocks(this.encoder.layer, this.embeddings.forward(pixelValues), context),
    );
  }
}

export const vit: Architecture<ViTModel> = {
  modelTypes: ["vit"],
  baseModelPrefix: "vit",
  build(json: JsonObject, where, isStored = () => true) {
    return new ViTModel(parseEncoderConfig(configSchema, json, where), isStored(poolerWeight));
  },
};
