import { z } from "zod";
import { snakeFields } from "../../io/field-names.js";
import type { JsonObject } from "../../io/json-file.js";
import { parseWith } from "../../io/validate.js";
import { positiveInt } from "../../models/config-fields.js";
import { type LoraConfig, loraSchema } from "./lora-config.js";
import { getModelName } from "./model-name.js";
import {
  type Gate,
  type OperatorForm,
  type OperatorMode,
  operatorForms,
  type PoolingConfig,
  poolingSchema,
  type RecurrentConfig,
  recurrentFields,
  recurrentModes,
  recurrentSchema,
  type Trick,
} from "./operator-config.js";

/** Where mu, the memory's share, comes from: `constant` is a number, `dynamic` is learned for each token. */
export const magModes = ["constant", "dynamic"] as const;

/** One of {@link magModes}. */
export type MagMode = (typeof magModes)[number];

/** Options whose own keys are no names of options. */
const verbatim = new Set(["rankPattern", "alphaPattern"]);

/** How attention layers are called in the families that we know. */
export const attentionNames: readonly string[] = ["attn", "self_attn", "attention"];

/** Whether a relative path stays in the folder that it starts from. */
function isInside(path: string): boolean {
  return !/^([/\\]|[a-z]:)|\0/i.test(path) && !path.split(/[/\\]/).includes("..");
}

const schema = z
  .object({
    base_model_name: z.string().min(1, "expected the path of the base model").default("google/gemma-3-270m"),
    base_model_revision: z.string().nullish(),
    base_model_subfolder: z.string().refine(isInside, "expected a folder inside the base model's").nullish(),
    name_or_path: z.string().nullish(),
    model_task: z.string().nullish(),
    target_modules_names: z.array(z.string()).nullish(),
    operator_mode: z.enum(Object.keys(recurrentModes) as [OperatorMode, ...OperatorMode[]]).nullish(),
    ...recurrentSchema.shape,
    recurrent_config: recurrentSchema.nullish(),
    max_self_attn_length: positiveInt.nullish(),
    base_scale_attn: z.boolean().default(false),
    mag_weight: z.number().min(0).max(1).default(0.5),
    mag_mode: z.enum(magModes).default("constant"),
    cross_gate: z.boolean().default(false),
    max_chunk_size: positiveInt.default(64),
    lora_config: loraSchema.nullish(),
    padding_side: z.enum(["left", "right"]).nullish(),
    bidirectional: z.boolean().default(false),
    disable_linear_attn: z.boolean().default(false),
    operator_form: z.enum(operatorForms).default("exact"),
    pooling_config: poolingSchema.nullish(),
    linear_precision: z
      .literal("float32", "expected float32: the memory computes in single precision")
      .default("float32"),
    use_linear_checkpoint: z.boolean().nullish(),
  })
  .loose()
  .refine((c) => c.operator_form === "tptt-0.12" || !c.pooling_config?.lookahead, {
    path: ["pooling_config"],
    error: "expected no lookahead: a mean over later tokens needs operator_form tptt-0.12",
  });

/** Options of {@link TpttConfig}; the defaults are those of Python. */
export interface TpttConfigOptions {
  /** A hub name, or the path of a folder or GGUF file. */
  readonly baseModelName?: string;
  /** Of a base model from the hub: the commit, branch or tag. Default: the main branch, as it was when the titan was made. */
  readonly baseModelRevision?: string | undefined;
  /** The folder inside the base model's that holds its files. */
  readonly baseModelSubfolder?: string;
  /** Where the titan lies for Python, which looks for its weights there. Default: `Titans-` and the base model's name. */
  readonly nameOrPath?: string;
  /** `causal_lm`, or anything else for a model without its output head. Default: what the base model can do. */
  readonly modelTask?: string;
  /** Ends of the paths of the attention layers that get a memory. Default: what they are called in the known families. */
  readonly targetModulesNames?: readonly string[];
  /** A named operator; without it the five fields of {@link RecurrentConfig} say what it is. */
  readonly operatorMode?: OperatorMode;
  /** Virtual tokens of a token, 1 to 8. Default 1. */
  readonly order?: number;
  /** The forget gate. Default `c`. */
  readonly alphaGate?: Gate;
  /** The write gate. Default `k`. */
  readonly betaGate?: Gate;
  /** False: a non-linear memory. Default true. */
  readonly linear?: boolean;
  /** Default `dt`. */
  readonly trick?: Trick;
  /** Softmax attention sees this many tokens, itself included. Default: as many as the base layer. */
  readonly maxSelfAttnLength?: number;
  /** Scales the memory's output to the RMS of the softmax output. Default false. */
  readonly baseScaleAttn?: boolean;
  /** mu, the memory's share, 0..1. Default 0.5. */
  readonly magWeight?: number;
  /** Default `constant`. */
  readonly magMode?: MagMode;
  /** Adds the product of the two weighted outputs. Default false. */
  readonly crossGate?: boolean;
  /** Tokens that the memory reads at a time, at most. Default 64. */
  readonly maxChunkSize?: number;
  /** Fine-tuning by low-rank updates. Default: none. */
  readonly loraConfig?: Partial<LoraConfig>;
  /** The side on which batches are padded. Default `right`. */
  readonly paddingSide?: "left" | "right";
  /** Memories read from both ends: the mean of the two. Default false. */
  readonly bidirectional?: boolean;
  /** Leaves the memories out: the base model, with LoRA if there is one. */
  readonly disableLinearAttn?: boolean;
  /** Default `exact`. */
  readonly operatorForm?: OperatorForm;
  /** Lookahead is for the form `tptt-0.12` alone. */
  readonly poolingConfig?: PoolingConfig;
  /**
   * Training computes each memory again in the backward pass rather than keeping what it needs: less memory, more
   * time. Default false. Without effect beside the checkpointing of whole layers, which does it already.
   */
  readonly useLinearCheckpoint?: boolean;
}

/**
 * The configuration of a titan: the method's own fields. The base model's config is kept beside them, under the same
 * roof on disk, as Python does.
 */
export class TpttConfig {
  /** The named operators. */
  static readonly RECURRENT_MODES = recurrentModes;
  /** `model_type` on disk. */
  readonly modelType = "tptt";
  /** A hub name, or the path of a folder or GGUF file. */
  readonly baseModelName: string;
  /** Of a base model from the hub: its commit, branch or tag. */
  readonly baseModelRevision: string | undefined;
  /** The folder inside the base model's that holds its files. */
  readonly baseModelSubfolder: string | undefined;
  /** Where the titan lies for Python. */
  readonly nameOrPath: string;
  /** `causal_lm` predicts tokens; anything else gives hidden states only. Undefined: what the base model can do. */
  readonly modelTask: string | undefined;
  /** Ends of the paths of the attention layers that get a memory. */
  readonly targetModulesNames: readonly string[];
  readonly operatorMode: OperatorMode | undefined;
  readonly recurrentConfig: RecurrentConfig;
  readonly maxSelfAttnLength: number | undefined;
  readonly baseScaleAttn: boolean;
  /** mu, the memory's share, 0..1. */
  readonly magWeight: number;
  /** `dynamic`: mu is learned for each token, and magWeight is not used. */
  readonly magMode: MagMode;
  readonly crossGate: boolean;
  readonly maxChunkSize: number;
  readonly loraConfig: LoraConfig | undefined;
  readonly paddingSide: "left" | "right";
  readonly bidirectional: boolean;
  readonly disableLinearAttn: boolean;
  readonly operatorForm: OperatorForm;
  readonly poolingConfig: PoolingConfig;
  readonly useLinearCheckpoint: boolean;
  /** The fields as they were given, unknown ones included: they are written back. */
  readonly fields: JsonObject;

  private constructor(fields: z.output<typeof schema>, given: JsonObject) {
    this.baseModelName = fields.base_model_name;
    this.baseModelRevision = fields.base_model_revision ?? undefined;
    this.baseModelSubfolder = fields.base_model_subfolder ?? undefined;
    this.nameOrPath = fields.name_or_path ?? `Titans-${this.baseModelName.replace(/^.*?\//, "")}`;
    this.modelTask = fields.model_task ?? undefined;
    this.targetModulesNames = fields.target_modules_names ?? attentionNames;
    this.operatorMode = fields.operator_mode ?? undefined;
    const r = fields.recurrent_config ?? fields;
    this.recurrentConfig = this.operatorMode
      ? recurrentModes[this.operatorMode]
      : { order: r.order, alphaGate: r.alpha_gate, betaGate: r.beta_gate, linear: r.linear, trick: r.trick };
    this.maxSelfAttnLength = fields.max_self_attn_length ?? undefined;
    this.baseScaleAttn = fields.base_scale_attn;
    this.magWeight = fields.mag_weight;
    this.magMode = fields.mag_mode;
    this.crossGate = fields.cross_gate;
    this.maxChunkSize = fields.max_chunk_size;
    this.loraConfig = fields.lora_config ?? undefined;
    this.paddingSide = fields.padding_side ?? "right";
    this.bidirectional = fields.bidirectional;
    this.disableLinearAttn = fields.disable_linear_attn;
    this.operatorForm = fields.operator_form;
    this.poolingConfig = { lookahead: fields.pooling_config?.lookahead ?? false };
    this.useLinearCheckpoint = fields.use_linear_checkpoint ?? false;
    this.fields = given;
  }

  /**
   * Reads the fields of a config.json.
   * @param where the file (or option) that they come from, for errors.
   * @throws InputError naming the field that is wrong.
   */
  static parse(fields: JsonObject, where: string): TpttConfig {
    return new TpttConfig(parseWith(schema, fields, where), fields);
  }

  /**
   * The configuration of a new titan: what Python's `TpttConfig` makes of its arguments.
   *
   * @throws InputError naming the option that is wrong.
   */
  static from(options: TpttConfigOptions): TpttConfig {
    return TpttConfig.parse(snakeFields(options, verbatim), "TpttConfig");
  }

  /** Where the base model's files are. */
  get baseModelPath(): string {
    const { baseModelName, baseModelSubfolder } = this;
    return baseModelSubfolder === undefined ? baseModelName : `${baseModelName}/${baseModelSubfolder}`;
  }

  /** A name that says how the titan is made, with today's date: that of {@link getModelName}. */
  get modelVariant(): string {
    const { loraConfig, crossGate, bidirectional, recurrentConfig } = this;
    return getModelName({ lora: loraConfig !== undefined, crossGate, bidirectional, ...recurrentConfig });
  }

  /** The same configuration with some options changed. */
  with(options: TpttConfigOptions): TpttConfig {
    const changes = snakeFields(options, verbatim);
    const fields = { ...this.fields, ...changes };
    if (changes.lora_config && this.loraConfig) {
      fields.lora_config = {
        ...(this.fields.lora_config as JsonObject),
        ...(changes.lora_config as JsonObject),
      };
    }
    const operator = Object.entries(changes).filter(([name]) => name in recurrentSchema.shape);
    if (operator.length > 0) {
      fields.recurrent_config = { ...recurrentFields(this.recurrentConfig), ...Object.fromEntries(operator) };
      fields.operator_mode = changes.operator_mode;
    }
    return TpttConfig.parse(fields, "TpttConfig");
  }

  /** The fields as they are written to `config.json`, over those of the base model. */
  toJson(baseConfig: JsonObject): JsonObject {
    const { loraConfig: lora } = this;
    return {
      ...baseConfig,
      ...this.fields,
      model_type: this.modelType,
      base_model_type: baseConfig.base_model_type ?? baseConfig.model_type,
      architectures: ["TpttModel"],
      // Python would run another operator than the exact one.
      auto_map: this.operatorForm === "exact" ? undefined : pythonClasses,
      base_model_name: this.baseModelName,
      ...(this.modelTask === undefined ? {} : { model_task: this.modelTask }),
      target_modules_names: this.targetModulesNames,
      operator_mode: this.operatorMode ?? null,
      operator_form: this.operatorForm,
      recurrent_config: recurrentFields(this.recurrentConfig),
      max_self_attn_length: this.maxSelfAttnLength ?? null,
      base_scale_attn: this.baseScaleAttn,
      mag_weight: this.magWeight,
      mag_mode: this.magMode,
      cross_gate: this.crossGate,
      max_chunk_size: this.maxChunkSize,
      padding_side: this.paddingSide,
      bidirectional: this.bidirectional,
      disable_linear_attn: this.disableLinearAttn,
      lora_config: lora
        ? {
            ...(this.fields.lora_config as JsonObject),
            peft_type: "LORA",
            task_type: (this.modelTask ?? "causal_lm") === "causal_lm" ? "CAUSAL_LM" : "FEATURE_EXTRACTION",
            r: lora.r,
            lora_alpha: lora.loraAlpha,
            lora_dropout: lora.loraDropout,
            target_modules: lora.targetModules ?? null,
            bias: "none",
          }
        : null,
    };
  }
}

/** Where transformers finds the classes of Python's package. */
const pythonClasses = {
  AutoConfig: "configuration_tptt.TpttConfig",
  AutoModelForCausalLM: "modeling_tptt.TpttModel",
};
