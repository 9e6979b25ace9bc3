import { z } from "zod";
import { pythonRegex } from "../../io/python-regex.js";
import { positiveInt } from "../../models/config-fields.js";

/** Fine-tuning by low-rank updates: what PEFT's `LoraConfig` says, under its names in camelCase. */
export interface LoraConfig {
  /** Rank of the updates. */
  readonly r: number;
  readonly loraAlpha: number;
  /** Chance that an input of an update is dropped in training, 0..1. */
  readonly loraDropout: number;
  /** Scales updates by alpha / sqrt(r) instead of alpha / r (arXiv 2312.03732). */
  readonly useRslora: boolean;
  /**
   * The linear layers that get an update: ends of their paths; or one pattern, a regular expression in Python's
   * spelling that a whole path has to match; or `all-linear`, all but the output embedding. Undefined: the attention
   * projections.
   */
  readonly targetModules: readonly string[] | string | undefined;
  /** The layers that get none although they are targets: ends of paths, or one pattern. */
  readonly excludeModules: readonly string[] | string | undefined;
  /** Indices of the blocks whose layers get an update; undefined: all. Only beside a list of targets. */
  readonly layersToTransform: readonly number[] | undefined;
  /** What the list of blocks is called (`layers`, `h`); empty: whatever it is called. */
  readonly layersPattern: readonly string[];
  /** Ends of the paths of modules that are trained whole. */
  readonly modulesToSave: readonly string[];
  /** Other ranks by the ends of paths, which are patterns. */
  readonly rankPattern: Readonly<Record<string, number>>;
  /** Other alphas by the ends of paths, which are patterns. */
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** Whether the layers hold their weights as [in, out]; ours know that themselves. */
  readonly fanInFanOut: boolean;
}

/** What a field of PEFT that is not among ours may be: nothing that would have to be honoured. */
const saysNothing = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === false ||
  value === "" ||
  (typeof value === "object" && Object.values(value).every(saysNothing));

/** Fields of PEFT that say nothing of what an adapter computes. */
const neutral = new Set([
  "task_type",
  "auto_mapping",
  "peft_version",
  "base_model_name_or_path",
  "revision",
  "inference_mode",
  "megatron_core",
  "qalora_group_size",
]);

const name = z.string().min(1, "expected a name");
const pattern = name.refine(isPattern, "expected a regular expression that JavaScript knows too");
const patterns = (value: z.ZodNumber) =>
  z
    .record(pattern, value)
    .nullish()
    .transform((x) => x ?? {});
const names = z.array(name).min(1, "expected at least one name");
const one = <T>(x: T | readonly T[] | null | undefined): readonly T[] =>
  x == null ? [] : Array.isArray(x) ? x : [x as T];
const layer = z.int("expected the index of a layer").nonnegative("expected the index of a layer");

/** More than the width of any layer; tensors of what says more are not made. */
const rank = positiveInt.max(16_384, "expected a rank of at most 16384");

const fields = {
  peft_type: z.literal("LORA", "expected LORA, the only kind of adapter that is supported").nullish(),
  r: rank.default(8),
  lora_alpha: z.number().positive().default(8),
  lora_dropout: z.number().min(0).lt(1).default(0),
  use_rslora: z.boolean().default(false),
  target_modules: z.union([names, pattern], "expected names or a regular expression").nullish(),
  exclude_modules: z.union([z.array(name), pattern], "expected names or a regular expression").nullish(),
  layers_to_transform: z.union([layer, z.array(layer)], "expected indices of layers").nullish(),
  layers_pattern: z.union([pattern, z.array(pattern)], "expected names of lists of layers").nullish(),
  modules_to_save: z.array(name).nullish(),
  rank_pattern: patterns(rank),
  alpha_pattern: patterns(z.number().positive()),
  fan_in_fan_out: z.boolean().default(false),
  bias: z.literal("none", "expected none: training biases is not supported").default("none"),
  init_lora_weights: z
    .union(
      [z.boolean(), z.literal("gaussian")],
      "expected true, false or gaussian, which leave the base model alone",
    )
    .nullish(),
};

/**
 * The fields of PEFT's `adapter_config.json` (0.21). What cannot be honoured is refused wherever it would change what
 * an adapter computes or how it is trained; so are fields that are not known, unless they are off.
 */
export const loraSchema = z
  .object(fields)
  .loose()
  .superRefine((c, context) => {
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: "custom", path: [key], message });
    for (const [key, value] of Object.entries(c)) {
      if (key in fields || neutral.has(key) || saysNothing(value)) continue;
      refuse(key, "this is not supported; make the adapter without it");
    }
    const layers = one(c.layers_to_transform);
    if (layers.length > 0 && typeof c.target_modules === "string") {
      refuse(
        "layers_to_transform",
        "expected nothing beside a pattern in target_modules; put it into the pattern",
      );
    }
    if (one(c.layers_pattern).length > 0 && layers.length === 0) {
      refuse("layers_pattern", "expected layers_to_transform beside it");
    }
  })
  .transform((c): LoraConfig => {
    const layers = one(c.layers_to_transform);
    return {
      r: c.r,
      loraAlpha: c.lora_alpha,
      loraDropout: c.lora_dropout,
      useRslora: c.use_rslora,
      targetModules: c.target_modules ?? undefined,
      excludeModules: c.exclude_modules ?? undefined,
      layersToTransform: layers.length > 0 ? layers : undefined,
      layersPattern: one(c.layers_pattern),
      modulesToSave: c.modules_to_save ?? [],
      rankPattern: c.rank_pattern,
      alphaPattern: c.alpha_pattern,
      fanInFanOut: c.fan_in_fan_out,
    };
  });

function isPattern(text: string): boolean {
  try {
    pythonRegex(text);
    return true;
  } catch {
    return false;
  }
}
