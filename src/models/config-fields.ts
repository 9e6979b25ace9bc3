import { z } from "zod";
import { InputError } from "../errors.js";
import { type CamelFields, camelFields } from "../io/field-names.js";
import { isObject, type JsonObject } from "../io/json-file.js";
import { parseWith } from "../io/validate.js";
import { type ActivationName, activations } from "../nn/activations.js";
import type { RopeScaling } from "../nn/rotary.js";

/* Fields of config.json that several families share. */

export const positiveInt = z.int().positive();

/** How many layers, or experts in a layer. A model is built before its weights are looked at: what says more is not believed. */
export const partCount = positiveInt.max(1024, "expected at most 1024");

/** `rope_scaling`: absent or null for none; `rope_type` is spelled `type` in older configs. */
export const ropeScaling = z
  .object({
    rope_type: z.string().optional(),
    type: z.string().optional(),
    factor: z.number().positive().optional(),
    low_freq_factor: z.number().positive().optional(),
    high_freq_factor: z.number().positive().optional(),
    original_max_position_embeddings: positiveInt.optional(),
  })
  .nullish()
  .transform((fields, context): RopeScaling => {
    const type = fields?.rope_type ?? fields?.type ?? "default";
    const missing = (name: string) => {
      context.addIssue({ code: "custom", message: `expected ${name} for the rope type ${type}` });
      return z.NEVER;
    };
    if (fields == null || type === "default") return { type: "default" };
    if (fields.factor === undefined) return missing("factor");
    if (type === "linear") return { type, factor: fields.factor };
    if (type === "llama3") {
      const {
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: original,
      } = fields;
      if (low === undefined) return missing("low_freq_factor");
      if (high === undefined) return missing("high_freq_factor");
      if (original === undefined) return missing("original_max_position_embeddings");
      return {
        type,
        factor: fields.factor,
        lowFreqFactor: low,
        highFreqFactor: high,
        originalMaxPositionEmbeddings: original,
      };
    }
    context.addIssue({ code: "custom", message: "expected the rope type default, linear or llama3" });
    return z.NEVER;
  });

/** `clip_qkv`: the largest absolute value of queries, keys and values; absent or null for none. */
export const clipQkv = z
  .number()
  .positive()
  .nullish()
  .transform((limit) => limit ?? undefined);

/** `layer_types`: which layers see a window of tokens, and which see all. */
export const layerTypes = z.array(z.enum(["sliding_attention", "full_attention"])).nullish();

/** What the config of every decoder with rotary positions has; a family adds its own and other defaults. */
export const decoderFields = {
  vocab_size: positiveInt,
  hidden_size: positiveInt,
  intermediate_size: positiveInt,
  num_hidden_layers: partCount,
  num_attention_heads: positiveInt,
  num_key_value_heads: positiveInt.nullish(),
  head_dim: positiveInt.nullish(),
  max_position_embeddings: positiveInt.default(2048),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().default(10_000),
  rope_scaling: ropeScaling,
  tie_word_embeddings: z.boolean().default(false),
};

/** The activation of a family that leaves the choice to the config. */
export const anyActivation = (byDefault: ActivationName) => {
  const names = Object.keys(activations) as ActivationName[];
  return z.enum(names, `expected one of ${names.join(", ")}`).default(byDefault);
};

/** The only activation that a family has. */
export const onlyActivation = <T extends string>(name: T) =>
  z.literal(name, `expected ${name}, the only activation of this family`).default(name as never);

type DecoderFields = z.output<z.ZodObject<typeof decoderFields>>;

/** A decoder's config: the fields that its schema gives, in camelCase, with the counts of heads filled in. */
export type DecoderConfig<F extends DecoderFields> = Omit<CamelFields<F>, "numKeyValueHeads" | "headDim"> & {
  readonly numKeyValueHeads: number;
  readonly headDim: number;
};

/**
 * Reads a decoder's config.json.
 *
 * @param where the file, for errors.
 * @throws InputError naming the field that is wrong.
 */
export function parseDecoderConfig<F extends DecoderFields>(
  schema: z.ZodType<F>,
  json: JsonObject,
  where: string,
): DecoderConfig<F> {
  const fields = parseWith(schema, flatRope(json), where);
  const config = {
    ...camelFields(fields),
    numKeyValueHeads: fields.num_key_value_heads ?? fields.num_attention_heads,
    headDim: fields.head_dim ?? fields.hidden_size / fields.num_attention_heads,
  };
  checkHeads({ ...config, numAttentionHeads: fields.num_attention_heads }, where);
  return config;
}

/** transformers 5 writes `rope_parameters` where older versions wrote two fields. */
function flatRope(json: JsonObject): JsonObject {
  const rope = json.rope_parameters;
  return isObject(rope) && "rope_theta" in rope
    ? { ...json, rope_theta: rope.rope_theta, rope_scaling: rope }
    : json;
}

/** Checks that `layer_types`, where it is given, lists every layer. @throws InputError */
export function checkLayerTypes(
  config: { readonly layerTypes?: z.output<typeof layerTypes>; readonly numHiddenLayers: number },
  where: string,
): void {
  const { layerTypes: listed, numHiddenLayers: layers } = config;
  if (listed && listed.length !== layers) {
    throw new InputError(
      `${where}: layer_types`,
      `lists ${listed.length} layers, expected num_hidden_layers (${layers})`,
    );
  }
}

/** Checks what a schema of single fields cannot. @throws InputError naming the field. */
function checkHeads(
  config: {
    readonly numAttentionHeads: number;
    readonly numKeyValueHeads: number;
    readonly headDim: number;
  },
  where: string,
): void {
  const { numAttentionHeads: heads, numKeyValueHeads: groups, headDim } = config;
  if (heads % groups !== 0) {
    throw new InputError(
      `${where}: num_key_value_heads`,
      `is ${groups}, expected a divisor of num_attention_heads (${heads})`,
    );
  }
  if (headDim % 2 !== 0) throw new InputError(`${where}: head_dim`, `is ${headDim}, expected an even number`);
}
