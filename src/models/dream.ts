import { z } from "zod";
import { InputError } from "../errors.js";
import type { JsonObject } from "../io/json-file.js";
import type { Architecture } from "./architecture.js";
import { type DecoderConfig, parseDecoderConfig } from "./config-fields.js";
import { DecoderLm } from "./decoder-lm.js";
import { qwen2Parts, qwenFields } from "./qwen2.js";

/*
 * Dream (Ye et al., arXiv 2508.15487): Qwen2 whose tokens see those after them too, and which writes by diffusion: all
 * new tokens are masked at first, and the model tells over and over what stands behind the masks. As in the model that
 * it grew from, the logits after token t are those of token t + 1. transformers does not have it; the definition is
 * that of its authors, modeling_dream.py and configuration_dream.py beside the weights Dream-org/Dream-v0-Instruct-7B.
 */

const configSchema = z.object({
  ...qwenFields,
  model_type: z.literal("Dream"),
  mask_token_id: z.int().nonnegative().default(151_666),
});

type DreamConfig = DecoderConfig<z.output<typeof configSchema>>;

class DreamLm extends DecoderLm<DreamConfig> {
  override readonly causal = false;

  override get maskTokenId(): number {
    return this.config.maskTokenId;
  }
}

function build(json: JsonObject, where: string): DreamLm {
  const config = parseDecoderConfig(configSchema, json, where);
  const { useSlidingWindow, maskTokenId, vocabSize, numHiddenLayers } = config;
  if (useSlidingWindow) {
    throw new InputError(`${where}: use_sliding_window`, "is true, expected false: Dream has no window");
  }
  if (maskTokenId >= vocabSize) {
    throw new InputError(`${where}: mask_token_id`, `is ${maskTokenId}, expected less than ${vocabSize}`);
  }
  return new DreamLm(config, qwen2Parts(config, Array<undefined>(numHiddenLayers).fill(undefined)));
}

export const dream: Architecture<DreamLm> = { modelTypes: ["Dream"], baseModelPrefix: "model", build };
