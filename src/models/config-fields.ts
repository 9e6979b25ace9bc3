import { z } from "zod";
import { InputError } from "../errors.js";
import type { RopeScaling } from "../nn/rotary.js";

/* Fields of config.json that several families share. */

export const positiveInt = z.int().positive();

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

/** Checks what a schema of single fields cannot. @throws InputError naming the field. */
export function checkHeads(
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
