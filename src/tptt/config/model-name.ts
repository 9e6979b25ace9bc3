import type { Gate, Trick } from "./operator-config.js";

/** Options of {@link getModelName}; the defaults are those of Python. */
export interface ModelNameOptions {
  readonly lora?: boolean;
  readonly crossGate?: boolean;
  readonly bidirectional?: boolean;
  readonly order?: number;
  readonly alphaGate?: Gate;
  readonly betaGate?: Gate;
  readonly linear?: boolean;
  readonly trick?: Trick;
  readonly prefix?: string;
  readonly addDate?: boolean;
  /** The day that the name ends with, by local time. Default: today. */
  readonly date?: Date;
}

/**
 * Python's `get_model_name`: a folder's name that says how a titan is made,
 * `liza_lora_mag_causal_alpha-c_beta-k_order-1_linear_trick-dt_2025-09-10`.
 */
export function getModelName(options: ModelNameOptions = {}): string {
  const { lora = true, crossGate = false, bidirectional = false, linear = true } = options;
  const { order = 1, alphaGate = "c", betaGate = "k", trick = "dt", prefix = "liza" } = options;
  const { addDate = true, date = new Date() } = options;
  const parts = [
    prefix,
    lora ? "lora" : "full",
    crossGate ? "cross" : "mag",
    bidirectional ? "bidir" : "causal",
    `alpha-${alphaGate}`,
    `beta-${betaGate}`,
    `order-${order}`,
    linear ? "linear" : "gelu",
    `trick-${trick}`,
  ];
  return [...parts, ...(addDate ? [day(date)] : [])].join("_");
}

/** YYYY-MM-DD */
const day = (date: Date): string =>
  [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map((part) => String(part).padStart(2, "0"))
    .join("-");
